package docs

import (
	"encoding/csv"
	"flag"
	"fmt"
	"html"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "draw images/alternatives*.svg and write the table in validation.md")

// rival is one row of alternatives.csv: how far a tool is off the measurements of a set.
type rival struct {
	set, rows, tool, mode, priced, note string
	off                                 float64 // mean absolute error, percent
	signed                              string
}

func rivals(t *testing.T) (out []rival) {
	t.Helper()
	f, err := os.Open("alternatives.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		off, err := strconv.ParseFloat(r[5], 64)
		if err != nil || off <= 0 {
			t.Fatalf("%v: error %q", r, r[5])
		}
		out = append(out, rival{r[0], r[1], r[2], r[3], r[4], r[7], off, r[6]})
	}
	return out
}

// What each set is called in the figure.
var sets = map[string]string{
	"products":          "Matrix products of an H100 (195)",
	"transformer steps": "Decode steps of Phi-4-mini, a Transformer (14)",
	"hybrid steps":      "Decode steps of Phi-4-mini-flash, a SambaY hybrid (14)",
	"prompts":           "Prompts of Phi-4-mini (3)",
	"served":            "Time per token of served runs (134)",
}

// The chart in README and the table in validation.md are what alternatives.csv says.
func TestAlternatives(t *testing.T) {
	rs := rivals(t)
	for _, theme := range []string{"", "-dark"} {
		same(t, "images/alternatives"+theme+".svg", chart(rs, theme != ""))
	}
	b, err := os.ReadFile("validation.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	const head = "| measured | tool | mode | priced | mean error | in the mean | |\n|---|---|---|--:|--:|--:|---|\n"
	i := strings.Index(doc, head)
	if i < 0 {
		t.Fatal("validation.md lacks the head of the table")
	}
	end := i + len(head)
	for strings.HasPrefix(doc[end:], "|") {
		end += strings.IndexByte(doc[end:], '\n') + 1
	}
	table, last := head, ""
	for _, r := range rs {
		name, signed := "", "–"
		if r.set != last {
			name, last = r.set, r.set
		}
		if r.signed != "" {
			v, err := strconv.ParseFloat(r.signed, 64)
			if err != nil {
				t.Fatal(err)
			}
			signed = strings.Replace(fmt.Sprintf("%+.1f %%", v), "-", "−", 1)
		}
		table += fmt.Sprintf("| %s | %s | %s | %s of %s | %.1f %% | %s | %s |\n", name, r.tool, r.mode, r.priced, r.rows, r.off, signed, r.note)
	}
	same(t, "validation.md", doc[:i]+table+doc[end:])
}

func same(t *testing.T, file, want string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what alternatives.csv says (go test ./docs -update, then look at it): %v", file, err)
	}
}

// chart draws a bar for each tool's best mode, as long as the logarithm of its error.
func chart(rs []rival, dark bool) string {
	back, ink, soft, ours, others := "#fff", "#1e1e1e", "#5a5a5a", "#0072b2", "#b4b4b4"
	if dark {
		back, ink, soft, ours, others = "#181a1f", "#e4e4e4", "#a9adb5", "#56b4e9", "#5a6069"
	}
	const width, left, right, row = 640, 100, 540, 17
	var b strings.Builder
	y := 44
	text := func(x, y int, style, s string) {
		fmt.Fprintf(&b, `<text x="%d" y="%d" %s>%s</text>`+"\n", x, y, style, html.EscapeString(s))
	}
	text(10, 20, `font-size="15" font-weight="bold" fill="`+ink+`"`, "How far estimates are off measurements")
	text(10, 38, `font-size="11" fill="`+soft+`"`, "mean absolute error, logarithmic; each tool's best mode, 25 November 2026; shorter is better")
	at := func(v float64) int { // 0.5 % to 200 %
		return left + int(float64(right-left)*math.Log(v/0.5)/math.Log(400))
	}
	last, seen := "", map[string]bool{}
	for _, r := range rs {
		if r.set != last {
			last, seen = r.set, map[string]bool{}
			y += 25
			text(10, y, `font-size="12" font-weight="bold" fill="`+ink+`"`, sets[r.set])
			y += 5
		}
		if seen[r.tool] { // the first mode is the best
			continue
		}
		seen[r.tool] = true
		color, weight := others, ""
		if r.tool == "ridgeline" {
			color, weight = ours, `font-weight="bold" `
		}
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", left, y+2, at(r.off)-left, row-4, color)
		text(10, y+13, weight+`font-size="11" fill="`+ink+`"`, r.tool)
		value := fmt.Sprintf("%.1f %%", r.off)
		if strings.Contains(r.note, "32 attention layers") {
			value += " *"
		}
		if r.priced != r.rows {
			value += " (" + r.priced + " priced)"
		}
		text(at(r.off)+5, y+13, weight+`font-size="11" fill="`+ink+`"`, value)
		y += row
	}
	y += 20
	text(10, y, `font-size="11" fill="`+soft+`"`, "* as 32 attention layers, which is how the tool can price it")
	y += 12
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Mean absolute errors of ridgeline and other tools against measurements" width="%d" height="%d" viewBox="0 0 %d %d" font-family="'Liberation Sans',Arial,Helvetica,sans-serif">
<rect width="100%%" height="100%%" fill="%s"/>
%s</svg>
`, width, y, width, y, back, b.String())
}
