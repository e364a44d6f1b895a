package figure

import (
	"bytes"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ridgeline/arch"
	"ridgeline/costmodel"
	"ridgeline/hardware"
)

var update = flag.Bool("update", false, "rewrite the golden figures")

func setup(t *testing.T, names ...string) *Setup {
	t.Helper()
	s := &Setup{Fidelity: costmodel.Roofline, Load: costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 8}}
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	h200, err := hardware.Lookup("h200")
	if err != nil {
		t.Fatal(err)
	}
	s.Devices = []*hardware.Profile{hw, h200}
	for _, n := range names {
		m, err := arch.Open(n)
		if err != nil {
			t.Fatal(err)
		}
		c, err := costmodel.Compile(m, hw, costmodel.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s.Compiled = append(s.Compiled, c)
	}
	return s
}

// figures draws every kind.
func figures(t *testing.T, s *Setup) map[string]*Figure {
	t.Helper()
	out := map[string]*Figure{"throughput": Throughput(s), "tpot": TPOT(s), "memory": Memory(s), "breakdown": Breakdown(s)}
	var err error
	if out["roofline"], err = RooflineFigure(s); err != nil {
		t.Fatal(err)
	}
	if out["gmu-ratio"], err = GMURatio(s); err != nil {
		t.Fatal(err)
	}
	if len(s.Compiled) > 1 {
		if out["speedup"], err = Speedup(s); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func render(t *testing.T, f *Figure, path string, theme Theme) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Write(&b, path, theme); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Every figure is what it was, in both themes, and the same twice.
func TestGolden(t *testing.T) {
	s := setup(t, "phi4-mini", "phi4-mini-flash")
	for name, f := range figures(t, s) {
		for _, theme := range []Theme{Light(), Dark()} {
			got := render(t, f, "x.svg", theme)
			if again := render(t, f, "x.svg", theme); again != got {
				t.Errorf("%s, %s: drawn twice, it differs", name, theme.Name)
			}
			if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
				t.Errorf("%s: coordinates that are no numbers", name)
			}
			if theme.Name != "light" {
				continue
			}
			path := filepath.Join("testdata", name+".svg")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs from %s (go test ./reports/figure -update, then look at it)", name, path)
			}
		}
	}
}

func TestFormatsAreStable(t *testing.T) {
	f := Throughput(setup(t, "phi4-mini"))
	if a, b := render(t, f, "a.png", Light()), render(t, f, "b.png", Light()); a != b || len(a) < 1000 {
		t.Error("PNG differs or is empty")
	}
	if p := render(t, f, "a.pdf", Light()); !strings.HasPrefix(p, "%PDF") {
		t.Error("no PDF")
	}
	if err := f.Write(&bytes.Buffer{}, "a.gif", Light()); err == nil {
		t.Error("wrote a gif")
	}
}

// A drawing alone says what it shows, and has letters where Liberation Sans is missing.
func TestDrawingHasAName(t *testing.T) {
	f := Throughput(setup(t, "phi4-mini"))
	f.Title = `a "b" <c>`
	svg := render(t, f, "a.svg", Light())
	if !strings.Contains(svg, `<svg role="img" aria-label="a &#34;b&#34; &lt;c&gt;. Lines of`) {
		t.Errorf("no name: %s", svg[:300])
	}
	if strings.Count(svg, "font-family:") != strings.Count(svg, "Arial,Helvetica,sans-serif") {
		t.Error("letters without a second choice of font")
	}
}

// One series and eight, tiny and huge values draw.
func TestExtremes(t *testing.T) {
	names := []string{"phi4-mini-flash", "phi4-mini", "llama-3.1-8b", "qwen3-8b", "sambay-1b", "gdny-1b", "mixtral-8x7b", "transformer++(d=8)"}
	for _, n := range []int{1, 8} {
		for name, f := range figures(t, setup(t, names[:n]...)) {
			if len(render(t, f, "x.svg", Dark())) < 1000 {
				t.Errorf("%s with %d models is empty", name, n)
			}
		}
	}
	for _, scale := range []float64{1e-300, 1e-9, 1, 1e12, 1e300} {
		for _, sc := range []Scale{Linear, Log10} {
			a := &Axes{X: sc, Y: sc, Series: []Series{{Name: "a", X: []float64{1, 2, 0, -1, math.NaN()}, Y: []float64{scale, 2 * scale, scale, 1, math.Inf(1)}}}}
			if sc == Linear {
				a.Series[0].X, a.Series[0].Y = a.Series[0].X[:2], a.Series[0].Y[:2]
			}
			if s := render(t, Lines("t", "s", "", a), "x.svg", Light()); strings.Contains(s, "NaN") {
				t.Errorf("scale %g: NaN", scale)
			}
		}
	}
	if err := Lines("t", "s", "", &Axes{Y: Log10, Series: []Series{{X: []float64{1}, Y: []float64{-1}}}}).Write(&bytes.Buffer{}, "x.svg", Light()); err == nil {
		t.Error("drew nothing without saying so")
	}
}

func TestTicks(t *testing.T) {
	for _, r := range [][2]float64{{0, 1}, {0, 263}, {1e-9, 3e-9}, {0.1, 3e4}, {1, 1e15}, {5, 6}} {
		labels := map[string]bool{}
		n := 0
		for _, k := range (linear{}).Ticks(r[0], r[1]) {
			if labels[k.Label] {
				t.Errorf("%v: label %s twice", r, k.Label)
			}
			labels[k.Label] = true
			n++
		}
		if n < 3 || n > 12 {
			t.Errorf("%v: %d linear ticks", r, n)
		}
		if r[0] > 0 {
			labels = map[string]bool{}
			n = 0
			for _, k := range (decades{}).Ticks(r[0], r[1]) {
				if k.Label != "" {
					if labels[k.Label] {
						t.Errorf("%v: label %s twice", r, k.Label)
					}
					labels[k.Label] = true
					n++
				}
			}
			if n > 12 {
				t.Errorf("%v: %d log labels", r, n)
			}
		}
	}
}

// A capacity near the top of its axis is named below its line, clear of the subtitle.
func TestLevelNameStaysInside(t *testing.T) {
	svg := render(t, Memory(setup(t, "phi4-mini-flash")), "x.svg", Light())
	y := func(text string) float64 {
		for _, l := range strings.Split(svg, "<text ")[1:] {
			if l, _, _ = strings.Cut(l, "</text>"); strings.Contains(l, text) {
				_, at, _ := strings.Cut(l, `y="`)
				at, _, _ = strings.Cut(at, `"`)
				v, err := strconv.ParseFloat(at, 64)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
		}
		t.Fatalf("no text %q", text)
		return 0
	}
	if gap := y("capacity of") - y("(datasheet only)"); gap < 16 {
		t.Errorf("the capacity's name is %.1f pt below the subtitle", gap)
	}
}

// Labels of a crowded panel cover neither each other nor the lines, and stay inside.
func TestLabelsFindRoom(t *testing.T) {
	a := &Axes{Series: []Series{{Name: "a", X: []float64{0, 1, 2, 3}, Y: []float64{0, 1, 2, 3}, Bare: true}}}
	for i := range 4 {
		a.Labels = append(a.Labels, Label{Text: "an operation 12 %\nanother 3 %", X: 1.5, Y: 1.5 + 0.01*float64(i)})
	}
	svg := render(t, Lines("t", "s", "", a), "x.svg", Light())
	if n := strings.Count(svg, ">an operation 12 %<"); n != 4 {
		t.Errorf("%d of 4 labels are drawn", n)
	}
	places := map[string]bool{}
	for _, l := range strings.Split(svg, "<text ")[1:] {
		if strings.Contains(l, ">an operation") {
			at, _, _ := strings.Cut(l, " transform")
			if places[at] {
				t.Errorf("two labels at %s", at)
			}
			places[at] = true
		}
	}
}
