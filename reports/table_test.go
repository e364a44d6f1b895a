package reports

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

var update = flag.Bool("update", false, "rewrite testdata/*.golden")

func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s (-want +got; go test ./reports -update rewrites it):\n%s", path, d)
	}
}

// sample has every kind of column and cell.
func sample() *Table {
	t := &Table{Title: "(mamba swa)*8 under_scored | piped", Columns: []Column{
		{Name: "name", CSV: "name", Left: true}, {Name: "bytes\nmoved", Unit: "B/tok", CSV: "bytes"},
		{Name: "time", Unit: "s", CSV: "seconds", Scale: true}, {Name: "count", CSV: "count", Scale: true},
		{Name: "rate", CSV: "rate", Plain: true}, {Name: "share", CSV: "share"}, {Name: "absent", CSV: "absent"}}}
	t.Add(Txt("a|b*c_d"), Num(131072), Num(0.004923256780774889), Num(3836021760), Num(203.1176), Shown(0.3963, "39.6 %"), Txt("–"))
	t.Add(Txt("é, “quoted”"), Num(5120), Num(0.000001), Num(1), Num(0.0002), Shown(0, "<0.1 %"), Txt(" "))
	t.Notes = []string{"A sentence_with *marks* that is long enough to be broken into lines: " + strings.Repeat("word ", 20) + "end.", "Second."}
	return t
}

func TestTableGolden(t *testing.T) {
	golden(t, "table.txt", sample().Text)
	golden(t, "table.md", sample().Markdown)
	golden(t, "table.csv", sample().CSV)
}

func TestProfileGolden(t *testing.T) {
	p, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "profile.txt", ProfileTable(p).Text)
	golden(t, "profile.csv", ProfileTable(p).CSV)
}

func TestModelGolden(t *testing.T) {
	m, err := models.Preset("phi4-mini-flash")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "model.txt", ModelTable(m).Text)
	golden(t, "model.json", func(w io.Writer) error { return WriteJSON(w, Model(m)) })
}

// A comparison of ever more models stays in 100 columns: first a row each, then a column
// each, then columns in blocks.
func TestTurnedTablesFit(t *testing.T) {
	for n := 1; n <= 12; n++ {
		c := &Table{Turn: true, Columns: []Column{{Name: "model", Left: true}}}
		for i := range 10 {
			c.Columns = append(c.Columns, Column{Name: strings.Repeat("x", 6) + "\n" + strings.Repeat("y", 3+i%3)})
		}
		for i := range n {
			cells := []Cell{Txt(strings.Repeat("m", 5+9*i))}
			for range 10 {
				cells = append(cells, Num(1234567))
			}
			c.Add(cells...)
		}
		var b bytes.Buffer
		if err := c.Text(&b); err != nil {
			t.Fatal(err)
		}
		for _, l := range strings.Split(b.String(), "\n") {
			if utf8.RuneCountInString(l) > Width {
				t.Errorf("%d models: %d columns: %s", n, utf8.RuneCountInString(l), l)
			}
		}
		if got := strings.Count(b.String(), "1,234,567"); got != 10*n {
			t.Errorf("%d models: %d figures, want %d", n, got, 10*n)
		}
	}
}

// Breakdown rows sum to the last one.
func TestBreakdownSums(t *testing.T) {
	m, err := models.Preset("phi4-mini-flash")
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Lookup("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := costmodel.Workload{Prompt: 2000, Generate: 1000, Batch: 4}
	tab := BreakdownTable("", c.At(costmodel.Roofline).Ops(w), nil)
	for _, col := range []int{2, 3, 4, 5} {
		sum := 0.0
		cells := tab.Columns[col].Cells
		last := len(cells) - 1
		for _, x := range cells[:last] {
			sum += x.V
		}
		if d := sum/cells[last].V - 1; d > 1e-9 || d < -1e-9 {
			t.Errorf("%s: rows sum to %g, the last row says %g", tab.Columns[col].CSV, sum, cells[last].V)
		}
	}
	if mean := c.At(costmodel.Roofline).Generation(costmodel.Workload{Batch: 4, Prompt: 2000, Generate: 1000}) / 1000; tab.Columns[2].Cells[len(tab.Columns[2].Cells)-1].V/mean-1 > 1e-9 {
		t.Errorf("operations take %g s, a mean step %g", tab.Columns[2].Cells[len(tab.Columns[2].Cells)-1].V, mean)
	}
}
