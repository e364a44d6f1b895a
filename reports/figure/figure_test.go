package figure

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/study"
)

var update = flag.Bool("update", false, "rewrite the golden figures")

func setup(t *testing.T, names ...string) *study.Setup {
	t.Helper()
	s := &study.Setup{Fidelity: costmodel.Calibrated, Load: costmodel.Workload{Prompt: 2000, Generate: 32000, Batch: 16}, Price: map[string]float64{"a100-80gb": 1.8}}
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		m, err := models.Open(n)
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

// charts measures every kind that the setup has models enough for.
func charts(t *testing.T, s *study.Setup) map[string]*study.Chart {
	t.Helper()
	out := map[string]*study.Chart{}
	for _, k := range study.Kinds() {
		if k == "speedup" && len(s.Compiled) != 2 || k == "roofline" && len(s.Compiled) > 6 {
			continue
		}
		c, err := s.Measure(k)
		if err != nil {
			t.Fatal(err)
		}
		out[k] = c
	}
	return out
}

func chart(ps ...study.Panel) *study.Chart {
	return &study.Chart{Title: "t", Setting: []string{"s"}, Panels: ps}
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
	for name, c := range charts(t, s) {
		f := New(c, Options{})
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
	f := New(setup(t, "phi4-mini").Throughput(), Options{})
	for _, name := range []string{"a.png", "a.pdf", "a.svg"} {
		if a, b := render(t, f, name, Light()), render(t, f, name, Light()); a != b || len(a) < 1000 {
			t.Errorf("%s: differs or is empty", name)
		}
	}
	if p := render(t, f, "a.pdf", Light()); !strings.HasPrefix(p, "%PDF") {
		t.Error("no PDF")
	}
	if err := f.Write(&bytes.Buffer{}, "a.gif", Light()); err == nil {
		t.Error("wrote a gif")
	}
}

// A PDF holds its characters as Unicode: its fonts map · and × and µ back to themselves.
func TestPDFCharacters(t *testing.T) {
	c := chart(study.Panel{Form: study.Curves, X: study.Axis{Label: "x", Scale: study.Linear}, Y: study.Axis{Label: "y", Scale: study.Linear},
		Series: []study.Series{{Name: "a", Points: []study.Point{{X: 1, Y: 1, Fits: true}, {X: 2, Y: 2, Fits: true}}}}})
	c.Title = "1.2× · 3 µs → ≤ é Ж"
	f := New(c, Options{})
	doc := newPDF(f.w, f.h, f.Title)
	doc.doc.SetCompression(false)
	if err := f.draw(Light(), draw.New(doc)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := doc.write(&b); err != nil {
		t.Fatal(err)
	}
	// Text is written as UTF-16, big endian.
	for _, r := range "×·µ→≤éЖ" {
		if !bytes.Contains(b.Bytes(), []byte{byte(r >> 8), byte(r)}) {
			t.Errorf("%c is not in the PDF", r)
		}
	}
	if bytes.Contains(b.Bytes(), []byte("Ã")) || !bytes.Contains(b.Bytes(), []byte("/Identity-H")) {
		t.Error("text is not written as Unicode")
	}
}

// A width is kept, from a journal's column to a poster; what cannot be drawn is refused.
func TestOptions(t *testing.T) {
	s := setup(t, "phi4-mini", "phi4-mini-flash")
	for name, c := range charts(t, s) {
		for _, w := range []string{"89mm", "9cm", "3.5in", "1000pt"} {
			width, err := ParseWidth(w)
			if err != nil {
				t.Fatal(err)
			}
			f := New(c, Options{Width: width, Title: "mine"})
			if got, h := f.Size(); got != width || h < 3*vg.Centimeter || h > 3*width+10*vg.Centimeter {
				t.Errorf("%s at %s: drawn %v by %v", name, w, got, h)
			}
			if svg := render(t, f, "x.svg", Light()); !strings.Contains(svg, ">mine<") || strings.Contains(svg, "NaN") {
				t.Errorf("%s at %s: no title, or coordinates that are no numbers", name, w)
			}
		}
	}
	for _, w := range []string{"", "9", "-3cm", "NaNcm", "1mm", "1e9cm", "89 miles"} {
		if _, err := ParseWidth(w); err == nil {
			t.Errorf("width %q is taken", w)
		}
	}
	for _, dpi := range []int{-1, 1, 5000} {
		if (Options{DPI: dpi}).Check() == nil {
			t.Errorf("dpi %d is taken", dpi)
		}
	}
}

// What does not fit its device is drawn otherwise than what does, and said.
func TestMisfitIsBroken(t *testing.T) {
	fit := render(t, New(setup(t, "phi4-mini").Throughput(), Options{}), "x.svg", Light())
	s := setup(t, "phi4-mini")
	s.Load.Batch = 1000
	unfit := render(t, New(s.Throughput(), Options{}), "x.svg", Light())
	if !strings.Contains(unfit, ">does not fit<") || strings.Count(unfit, "stroke-dasharray") < 1 {
		t.Error("a batch that does not fit is drawn as if it did")
	}
	if strings.Contains(fit, ">does not fit<") {
		t.Error("a batch that fits is said not to")
	}
}

// No two of the most series that a figure holds have the same colour and marker.
func TestNoStyleTwice(t *testing.T) {
	seen := map[string]int{}
	for i := range study.MostSeries {
		g := glyph(Light(), i)
		k := fmt.Sprintf("%v %T", g.Color, g.Shape)
		if j, ok := seen[k]; ok {
			t.Errorf("series %d looks like series %d", i, j)
		}
		seen[k] = i
	}
}

// The names at the ends of lines do not touch, however close the lines end.
func TestEndNamesApart(t *testing.T) {
	p := study.Panel{Form: study.Curves, X: study.Axis{Scale: study.Linear}, Y: study.Axis{Scale: study.Linear}}
	for i := range 12 {
		p.Series = append(p.Series, study.Series{Name: fmt.Sprintf("line%d", i), Points: []study.Point{{X: 0, Y: 0, Fits: true}, {X: 1, Y: 1 + 1e-4*float64(i), Fits: true}}})
	}
	svg := render(t, New(chart(p), Options{}), "x.svg", Light())
	var ys []float64
	for _, l := range strings.Split(svg, "<text ")[1:] {
		if l, _, _ = strings.Cut(l, "</text>"); strings.Contains(l, ">line") {
			_, at, _ := strings.Cut(l, `y="`)
			at, _, _ = strings.Cut(at, `"`)
			v, err := strconv.ParseFloat(at, 64)
			if err != nil {
				t.Fatal(err)
			}
			ys = append(ys, v)
		}
	}
	slices.Sort(ys)
	if len(ys) != 12 {
		t.Fatalf("%d of 12 lines have a name", len(ys))
	}
	for i := 1; i < len(ys); i++ {
		if ys[i]-ys[i-1] < endHeight-0.5 {
			t.Errorf("two names are %.1f pt apart", ys[i]-ys[i-1])
		}
	}
}

// A drawing alone says what it shows, and has letters where Liberation Sans is missing.
func TestDrawingHasAName(t *testing.T) {
	f := New(setup(t, "phi4-mini").Throughput(), Options{})
	f.Title = `a "b" <c>`
	svg := render(t, f, "a.svg", Light())
	if !strings.Contains(svg, `<svg role="img" aria-label="a &#34;b&#34; &lt;c&gt;. Lines of`) {
		t.Errorf("no name: %s", svg[:300])
	}
	if strings.Count(svg, "font-family:") != strings.Count(svg, "Arial,Helvetica,sans-serif") {
		t.Error("letters without a second choice of font")
	}
}

// One series and the most there can be, tiny and huge values draw.
func TestExtremes(t *testing.T) {
	names := []string{"phi4-mini-flash", "phi4-mini", "llama-3.1-8b", "qwen3-8b", "sambay-1b", "gdny-1b", "mixtral-8x7b", "transformer++(d=8)"}
	for _, n := range []int{1, 8} {
		for name, c := range charts(t, setup(t, names[:n]...)) {
			if len(render(t, New(c, Options{}), "x.svg", Dark())) < 1000 {
				t.Errorf("%s with %d models is empty", name, n)
			}
		}
	}
	axis := func(sc study.Scale) study.Axis { return study.Axis{Label: "l", Unit: "s", Scale: sc} }
	for _, scale := range []float64{1e-300, 1e-9, 1, 1e12, 1e300} {
		for _, sc := range []study.Scale{study.Linear, study.Log10} {
			s := study.Series{Name: "a", Points: []study.Point{{X: 1, Y: scale, Fits: true}, {X: 2, Y: 2 * scale, Fits: true}}}
			if sc == study.Log10 {
				s.Points = append(s.Points, study.Point{X: 0, Y: scale}, study.Point{X: -1, Y: 1}, study.Point{X: math.NaN(), Y: math.Inf(1)})
			}
			svg := render(t, New(chart(study.Panel{Form: study.Curves, X: axis(sc), Y: axis(sc), Series: []study.Series{s}}), Options{}), "x.svg", Light())
			if strings.Contains(svg, "NaN") {
				t.Errorf("scale %g: NaN", scale)
			}
		}
	}
	none := chart(study.Panel{Form: study.Curves, X: axis(study.Log10), Y: axis(study.Log10), Series: []study.Series{{Points: []study.Point{{X: 1, Y: -1}}}}})
	if err := New(none, Options{}).Write(&bytes.Buffer{}, "x.svg", Light()); err == nil {
		t.Error("drew nothing without saying so")
	}
}

func TestTicks(t *testing.T) {
	for _, r := range [][2]float64{{0, 1}, {0, 263}, {1e-9, 3e-9}, {0.1, 3e4}, {1, 1e15}, {5, 6}} {
		labels := map[string]bool{}
		n := 0
		for _, k := range (linear{8}).ticks(r[0], r[1]) {
			if labels[k.label] {
				t.Errorf("%v: label %s twice", r, k.label)
			}
			labels[k.label] = true
			n++
		}
		if n < 3 || n > 12 {
			t.Errorf("%v: %d linear ticks", r, n)
		}
		if r[0] > 0 {
			labels = map[string]bool{}
			n = 0
			for _, k := range (decades{8}).ticks(r[0], r[1]) {
				if k.label != "" {
					if labels[k.label] {
						t.Errorf("%v: label %s twice", r, k.label)
					}
					labels[k.label] = true
					n++
				}
			}
			if n > 12 {
				t.Errorf("%v: %d log labels", r, n)
			}
		}
	}
}

// A roofline's labels cover neither each other nor points, and lines to them do not cross.
func TestLabelsFindRoom(t *testing.T) {
	for _, models := range [][]string{{"phi4-mini"}, {"phi4-mini", "phi4-mini-flash", "mixtral-8x7b"}} {
		c, err := setup(t, models...).Roofline()
		if err != nil {
			t.Fatal(err)
		}
		for _, width := range []vg.Length{0, 9 * vg.Centimeter} {
			for _, p := range New(c, Options{Width: width}).panels {
				a := p.(*axes)
				area := draw.New(vgsvg.New(a.height(300), a.height(300)))
				area.Max.X = 300
				pl := newPlacer(area, nil)
				var labels []label
				for i, l := range []string{"attn.core 50 %", "mlp.up 20 %\nmlp.down 10 %", "lm_head 5 %"} {
					labels = append(labels, label{l, vg.Point{X: 100 + vg.Length(i), Y: 100 + vg.Length(2*i)}})
				}
				pl.place(Light(), area, labels)
				if len(pl.taken) != 3 {
					t.Fatalf("%d of 3 labels have a place", len(pl.taken))
				}
				for i, r := range pl.taken {
					if overlaps(r, pl.taken[i+1:]) {
						t.Errorf("label %d covers another", i)
					}
					for k, th := range pl.thread {
						if k != i && enters(th, r) {
							t.Errorf("the line to label %d crosses label %d", k, i)
						}
					}
				}
			}
		}
	}
}

// Points are drawn however many they are; only lines lose their markers.
func TestManyPoints(t *testing.T) {
	for _, n := range []int{10, 100, 1000} {
		s := study.Series{Name: "a", Cloud: true}
		for i := range n {
			s.Points = append(s.Points, study.Point{X: float64(i), Y: float64(i * i), Fits: true})
		}
		svg := render(t, New(chart(study.Panel{Form: study.Curves, X: study.Axis{Scale: study.Linear}, Y: study.Axis{Scale: study.Linear}, Series: []study.Series{s}}), Options{}), "x.svg", Light())
		if got := strings.Count(svg, "<path"); got < n {
			t.Errorf("%d points make %d paths", n, got)
		}
	}
}

// Zero has no sign, also where an axis begins a little below it.
func TestTicksOfZero(t *testing.T) {
	for _, m := range (linear{6}).ticks(-0.04, 1.04) {
		if strings.HasPrefix(m.label, "-") {
			t.Errorf("a tick is labelled %s", m.label)
		}
	}
}
