package sweep

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// damage is what can happen to lines of rows.
var damage = map[string]func(rows []string) []string{
	"the last rows lost":    func(r []string) []string { return r[:len(r)-2] },
	"a row in the middle":   func(r []string) []string { return append(append([]string{}, r[:3]...), r[4:]...) },
	"the first row lost":    func(r []string) []string { return r[1:] },
	"no row at all":         func([]string) []string { return nil },
	"two rows swapped":      func(r []string) []string { r[2], r[3] = r[3], r[2]; return r },
	"a row twice":           func(r []string) []string { return append(r[:4:4], r[3:]...) },
	"a cut line":            func(r []string) []string { r[2] = r[2][:len(r[2])/2] + "\n"; return r },
	"two lines in one":      func(r []string) []string { r[2] = strings.TrimSuffix(r[2], "\n"); return r },
	"a field more":          func(r []string) []string { r[2] = strings.TrimSuffix(r[2], "\n") + ",1\n"; return r },
	"a number changed":      func(r []string) []string { return change1(r, "ok", "does_not_fit") },
	"no number of a row":    func(r []string) []string { return change1(r, r[2][:strings.IndexByte(r[2], ',')], "49abc") },
	"a number past the end": func(r []string) []string { return change1(r, r[2][:strings.IndexByte(r[2], ',')], "999999") },
	"2^63-1": func(r []string) []string {
		return change1(r, r[2][:strings.IndexByte(r[2], ',')], "9223372036854775807")
	},
	"a figure is a word": func(r []string) []string {
		i := strings.LastIndexByte(r[2], ',')
		r[2] = r[2][:i] + ",much\n"
		return r
	},
	"carriage returns": func(r []string) []string { return ending(r, "\r\n") },
	"a NUL":            func(r []string) []string { r[2] = "\x00\n"; return r },
	"an empty line":    func(r []string) []string { r[2] = "\n"; return r },
}

func change1(r []string, from, to string) []string {
	r[2] = strings.Replace(r[2], from, to, 1)
	return r
}

func ending(r []string, end string) []string {
	for i := range r {
		r[i] = strings.TrimSuffix(r[i], "\n") + end
	}
	return r
}

// rowNumber is the number that a line of rows begins with.
func rowNumber(line string) string {
	line = strings.TrimPrefix(line, `{"row":`)
	return line[:strings.IndexByte(line, ',')]
}

func lineList(s string) []string { return strings.SplitAfter(strings.TrimSuffix(s, "\n"), "\n") }

// Merge takes shards as the sweep left them and no other, with and without constraints,
// which make missing rows look like rows that were left out.
func TestMergeReadsRows(t *testing.T) {
	for _, ext := range []string{".csv", ".jsonl"} {
		for _, where := range [][]string{nil, {"tpot<=12ms"}} {
			dir := t.TempDir()
			g := grid(t, where...)
			shard := func(i int) string {
				p := filepath.Join(dir, fmt.Sprintf("s%d%s", i, ext))
				run(t, &File{Path: p, Grid: g, Shard: i, Of: 2})
				return p
			}
			s1, s2 := shard(1), shard(2)
			b, err := os.ReadFile(s1)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.SplitAfter(string(b), "\n")
			all = all[:len(all)-1]
			first := 1
			if ext == ".csv" {
				first = 2
			}
			head, last := all[:first], all[len(all)-1]
			try := func(what string, text string) {
				t.Helper()
				p := filepath.Join(dir, "broken"+ext)
				if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
				var out strings.Builder
				err := Merge(t.Context(), &out, []string{p, s2})
				if err == nil || strings.Contains(err.Error(), "\n") || out.Len() > 0 {
					t.Errorf("%s %v, %s: error %v, %d bytes written", ext, where, what, err, out.Len())
				}
			}
			for what, f := range damage {
				rows := f(append([]string{}, all[first:len(all)-1]...))
				try(what, strings.Join(head, "")+strings.Join(rows, "")+last)
			}
			whole := string(b)
			try("the last line lost", strings.TrimSuffix(whole, last))
			try("cut in the last line", whole[:len(whole)-5])
			try("cut in a row", whole[:len(whole)-len(last)-40])
			try("something behind it", whole+"1\n")
			try("all line ends", strings.ReplaceAll(whole, "\n", "\r\n"))
			try("another range", strings.Replace(whole, `"from":0`, `"from":1`, 1))
			try("an endless range", strings.Replace(whole, fmt.Sprintf(`"to":%d`, g.Rows()/2), `"to":9223372036854775807`, 1))
			try("no mark", strings.Join(all[1:], ""))
			if ext == ".csv" {
				try("another header", strings.Replace(whole, "\nrow,gmu_ratio", "\nrow,ratio", 1))
				try("no header", head[0]+strings.Join(all[2:], ""))
			}
			try("nothing", "")
			// Rows that are lost and rows that are too many are counted, whatever the digest says.
			for what, rows := range map[string][]string{"fewer": all[first : len(all)-2], "more": append(append([]string{}, all[first:len(all)-1]...), all[len(all)-2])} {
				p := filepath.Join(dir, "counted"+ext)
				text := strings.Join(head, "") + strings.Join(rows, "") + last
				if what == "more" { // the mark of a shard of one row more, so that the row itself is in its range
					text = strings.Replace(text, fmt.Sprintf(`"to":%d`, g.Rows()/2), fmt.Sprintf(`"to":%d`, g.Rows()/2+1), 1)
					n := strconv.Itoa(g.Rows() / 2)
					extra := rows[len(rows)-1]
					text = strings.TrimSuffix(text, extra+last) + strings.Replace(extra, rowNumber(extra), n, 1) + last
				}
				if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("%s has %d rows of the %d that the sweep wrote", p, len(rows), len(all)-1-first)
				if err := Merge(t.Context(), io.Discard, []string{p}); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s %v, %s rows: %v, want %q", ext, where, what, err, want)
				}
			}
			var out strings.Builder
			if err := Merge(t.Context(), &out, []string{s2, s1}); err != nil || out.Len() == 0 {
				t.Fatalf("the shards themselves: %v", err)
			}
		}
	}
}

// A shard may be without rows; all of them may not.
func TestShardsWithoutRows(t *testing.T) {
	for _, ext := range []string{".csv", ".jsonl"} {
		dir := t.TempDir()
		axis := Axis{"on", []string{"a100-80gb", "l4"}}
		make := func(where string) (paths []string, whole string) {
			c, err := ParseConstraint(where)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i <= 2; i++ {
				g := &Grid{Fixed: map[string]string{"model": "llama-3.1-8b"}, Axes: []Axis{axis}, Where: []Constraint{c}}
				if err := g.Normalise(); err != nil {
					t.Fatal(err)
				}
				p := filepath.Join(dir, fmt.Sprintf("s%d%s", i, ext))
				_, err := (&File{Path: p, Grid: g, Shard: i, Of: 2 * min(i, 1)}).Run(t.Context())
				b, _ := os.ReadFile(p)
				switch {
				case i == 0:
					whole = string(b)
				case err != nil:
					t.Fatal(err)
				default:
					paths = append(paths, p)
				}
			}
			return paths, whole
		}
		paths, whole := make("tpot<30ms")
		var out strings.Builder
		if err := Merge(t.Context(), &out, paths); err != nil || out.String() != whole || strings.Count(whole, "a100-80gb") != 1 {
			t.Errorf("%s: %v\n%s\nwant\n%s", ext, err, out.String(), whole)
		}
		paths, _ = make("tpot<1ns")
		if err := Merge(t.Context(), &out, paths); !errors.Is(err, ErrNoRows) {
			t.Errorf("%s: no rows at all: %v", ext, err)
		}
	}
}

// A damaged partial is cut at the first row that is not as this grid writes it, which is
// said, and the file that comes out is that of an uninterrupted run.
func TestResumeDistrusts(t *testing.T) {
	for _, ext := range []string{".csv", ".jsonl"} {
		dir := t.TempDir()
		g := grid(t)
		path := filepath.Join(dir, "a"+ext)
		want := run(t, &File{Path: path, Grid: g})
		head := g.columnsLine(ext)
		all := lineList(strings.TrimPrefix(want, head))[:50]
		for what, f := range damage {
			if what == "the last rows lost" || what == "no row at all" || what == "a number changed" {
				continue // the first two are no damage; the last is one nobody can see
			}
			rows := f(append([]string{}, all...))
			os.Remove(path)
			for p, text := range map[string]string{path + ".partial": head + strings.Join(rows, ""), path + ".partial.grid": gridHash(t, g) + " 0/0\n"} {
				if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			var notes []string
			got := run(t, &File{Path: path, Grid: g, Resume: true, Note: func(s string) { notes = append(notes, s) }})
			if got != want || len(notes) != 1 || strings.Contains(notes[0], "\n") {
				t.Errorf("%s, %s: %d bytes of %d, notes %q", ext, what, len(got), len(want), notes)
			}
		}
		// A parameter of another row: only the grid knows.
		rows := append([]string{}, all...)
		rows[5] = strings.Replace(rows[5], "64", "128", 1)
		os.Remove(path)
		os.WriteFile(path+".partial", []byte(head+strings.Join(rows, "")), 0o666)
		os.WriteFile(path+".partial.grid", []byte(gridHash(t, g)+" 0/0\n"), 0o666)
		if got := run(t, &File{Path: path, Grid: g, Resume: true}); got != want {
			t.Errorf("%s: a row with another parameter was believed", ext)
		}
	}
}

func (g *Grid) columnsLine(ext string) string {
	if ext == ".csv" {
		return CSV.Header(g)
	}
	return ""
}

// An empty PATH.partial.grid, as a full disk or a kill leaves it, is a run that has not
// begun.
func TestEmptyPartialGrid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.csv")
	g := grid(t)
	want := run(t, &File{Path: path, Grid: g})
	for _, resume := range []bool{true, false} {
		os.Remove(path)
		os.WriteFile(path+".partial", []byte("row,gm"), 0o666)
		os.WriteFile(path+".partial.grid", nil, 0o666)
		if got := run(t, &File{Path: path, Grid: g, Resume: resume}); got != want {
			t.Errorf("resume %t: %d bytes of %d", resume, len(got), len(want))
		}
	}
}

// A shard that was stopped behind its last row, or behind its end, goes on.
func TestResumeShard(t *testing.T) {
	for _, ext := range []string{".csv", ".jsonl"} {
		path := filepath.Join(t.TempDir(), "a"+ext)
		g := grid(t, "tpot<=12ms")
		want := run(t, &File{Path: path, Grid: g, Shard: 2, Of: 3})
		for _, cut := range []int{0, 1, 20, 60, 90, 200, 3000} {
			os.Remove(path)
			os.WriteFile(path+".partial", []byte(want[:max(len(want)-cut, 0)]), 0o666)
			os.WriteFile(path+".partial.grid", []byte(gridHash(t, g)+" 2/3\n"), 0o666)
			f := &File{Path: path, Grid: g, Shard: 2, Of: 3, Resume: true, Note: func(s string) { t.Errorf("cut %d: %s", cut, s) }}
			if got := run(t, f); got != want {
				t.Errorf("%s cut by %d bytes: %d bytes of %d", ext, cut, len(got), len(want))
			}
		}
	}
}

// Rows ascend and stay in their range whether or not some may be missing; a JSON shard's
// rows all have the columns of its first.
func TestRowCheck(t *testing.T) {
	g := small(t)
	line := func(f Format, row int) []byte {
		var b bytes.Buffer
		at := make([]int, len(g.Axes))
		k := newEngine(g).worker()
		r := k.row(t.Context(), row%g.Rows())
		g.place(row%g.Rows(), at)
		f.encoder(g).row(&b, row, at, &r)
		return b.Bytes()
	}
	for _, f := range []Format{CSV, JSONL} {
		for _, every := range []bool{true, false} {
			for rows, want := range map[string]string{
				"2 3 4": "", "2 4": "missing", "2 2": "row 2 stands where row 3", "3": "missing", "1": "row 1 stands where row 2",
				"4 3": "missing", "3 2": "missing", "2 3 4 5": "row 5 is past the last, 4", "5": "past the last",
			} {
				if !every && want == "missing" {
					want = map[string]string{"4 3": "row 3 stands where row 5", "3 2": "row 2 stands where row 4"}[rows]
				}
				c := &rowCheck{format: f, next: 2, to: 5, every: every}
				if f == CSV {
					c.columns = g.Columns()
				}
				var err error
				for _, n := range strings.Fields(rows) {
					if err == nil {
						i, _ := strconv.Atoi(n)
						err = c.line(line(f, i))
					}
				}
				if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("format %d, every %t, rows %s: error %v, want %q", f, every, rows, err, want)
				}
			}
		}
	}
}

// A JSON array holds the rows that a file of lines holds, also where the run was stopped.
func TestArray(t *testing.T) {
	dir := t.TempDir()
	g := small(t)
	rows := run(t, &File{Path: filepath.Join(dir, "a.jsonl"), Grid: g})
	path := filepath.Join(dir, "a.json")
	want := "[\n" + strings.ReplaceAll(strings.TrimSuffix(rows, "\n"), "\n", ",\n") + "\n]\n"
	for _, begun := range []int{0, 100, len(rows)} {
		os.Remove(path)
		os.WriteFile(path+".partial", []byte(rows[:begun]), 0o666)
		os.WriteFile(path+".partial.grid", []byte(gridHash(t, g)+" 0/0\n"), 0o666)
		if got := run(t, &File{Path: path, Grid: g, Resume: true}); got != want || !json.Valid([]byte(got)) {
			t.Errorf("begun at byte %d: %s", begun, got)
		}
	}
	n := 0
	if err := Read(path, func(r Row) error { n++; return nil }); err != nil || n != g.Rows() {
		t.Errorf("%d rows read, %v", n, err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
