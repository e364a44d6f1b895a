package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// made is a table of n rows whose every third has no figures; work counts what is worked.
func made(n int, work *atomic.Int64) *Table {
	return &Table{ID: "some rows", Setting: []string{"name", "note"}, Figures: []string{"square", "half"}, N: n,
		At: func(row int) []string { return []string{fmt.Sprintf("row, %d", row), ""} },
		Work: func(_ context.Context, row int) ([]float64, string, error) {
			if work != nil {
				work.Add(1)
			}
			if row%3 == 2 {
				return nil, `"none", for it`, nil
			}
			return []float64{float64(row * row), float64(row) / 2}, "", nil
		}}
}

func write(t *testing.T, f *File) string {
	t.Helper()
	if _, err := f.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Shards of a table merge into what one run writes, in both formats, and are read back.
func TestTableShards(t *testing.T) {
	for _, ext := range []string{".csv", ".jsonl"} {
		dir := t.TempDir()
		whole := write(t, &File{Path: filepath.Join(dir, "whole"+ext), Table: made(20, nil)})
		var parts []string
		for i := 1; i <= 3; i++ {
			p := filepath.Join(dir, fmt.Sprint("part", i, ext))
			write(t, &File{Path: p, Table: made(20, nil), Shard: i, Of: 3})
			parts = append(parts, p)
		}
		var b strings.Builder
		if err := Merge(context.Background(), &b, parts); err != nil {
			t.Fatal(err)
		}
		if b.String() != whole {
			t.Errorf("%s: the shards merge into\n%s\none run writes\n%s", ext, b.String(), whole)
		}
		got, err := made(20, nil).Read(filepath.Join(dir, "whole"+ext))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range got {
			want := []float64{float64(i * i), float64(i) / 2}
			if i%3 == 2 {
				want = nil
			}
			if !slices.Equal(f, want) {
				t.Errorf("%s: row %d is read as %v", ext, i, f)
			}
		}
		other := made(20, nil)
		other.ID = "others"
		write(t, &File{Path: parts[1], Table: other, Shard: 2, Of: 3})
		if err := Merge(context.Background(), &b, parts); err == nil || !strings.Contains(err.Error(), "another grid") {
			t.Errorf("%s: shards of two tables: %v", ext, err)
		}
		if err := Merge(context.Background(), &b, parts[:1]); err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("%s: one shard of three: %v", ext, err)
		}
	}
}

// A run that is stopped goes on where it was: no finished row is worked twice, and the file is
// that of one run.
func TestTableResumes(t *testing.T) {
	dir := t.TempDir()
	whole := write(t, &File{Path: filepath.Join(dir, "whole.csv"), Table: made(30, nil)})
	var work atomic.Int64
	table := made(30, &work)
	ctx, stop := context.WithCancel(context.Background())
	plain := table.Work
	table.Work = func(c context.Context, row int) ([]float64, string, error) {
		if row == 12 {
			stop()
			return nil, "", c.Err()
		}
		return plain(c, row)
	}
	path := filepath.Join(dir, "stopped.csv")
	if _, err := (&File{Path: path, Table: table}).Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("a stopped run: %v", err)
	}
	kept, err := os.ReadFile(path + ".partial")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Count(string(kept), "\n") - 1
	if rows < 10 || rows > 12 {
		t.Fatalf("%d rows are kept of 12", rows)
	}
	// Torn in the middle of a line, as a killed process leaves it.
	if err := os.WriteFile(path+".partial", kept[:len(kept)-3], 0o666); err != nil {
		t.Fatal(err)
	}
	work.Store(0)
	table.Work = plain
	if got := write(t, &File{Path: path, Table: table, Resume: true}); got != whole {
		t.Errorf("resumed:\n%s\none run:\n%s", got, whole)
	}
	if n := work.Load(); n != int64(30-rows+1) {
		t.Errorf("%d rows were worked again, want %d", n, 30-rows+1)
	}
}

// Rows of another table, cut, changed or missing, are refused with the line.
func TestTableReads(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.csv")
	whole := write(t, &File{Path: path, Table: made(6, nil)})
	for _, tt := range []struct{ name, text, want string }{
		{"a setting changed", strings.Replace(whole, "row, 3", "row, 4", 1), "rows.csv:5: row 3 has other parameters"},
		{"a figure that is none", strings.Replace(whole, ",9,1.5", ",x,1.5", 1), "square cannot be"},
		{"a row lost", strings.Replace(whole, "1,\"row, 1\",,ok,,1,0.5\n", "", 1), "rows 1 to 1 are missing"},
		{"cut", whole[:len(whole)-4], "a line is cut short"},
		{"too few", strings.Join(strings.SplitAfter(whole, "\n")[:4], ""), "3 rows of 6"},
		{"another header", strings.Replace(whole, "square", "cube", 1), "its header is not that"},
		{"a shard", "# ridgeline sweep {}\n" + whole, "merge shards first"},
		{"nothing", "", "its header is not that"},
	} {
		if tt.text == whole {
			t.Fatalf("%s changes nothing", tt.name)
		}
		if err := os.WriteFile(path, []byte(tt.text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := made(6, nil).Read(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// An error of a row ends the run, and what was done before stays.
func TestTableFails(t *testing.T) {
	table := made(9, nil)
	table.Work = func(_ context.Context, row int) ([]float64, string, error) {
		if row == 4 {
			return nil, "", errors.New("row 4 is beyond us")
		}
		return []float64{1, 2}, "", nil
	}
	path := filepath.Join(t.TempDir(), "rows.csv")
	if _, err := (&File{Path: path, Table: table}).Run(context.Background()); err == nil || !strings.Contains(err.Error(), "row 4 is beyond us") {
		t.Errorf("%v", err)
	}
	if b, err := os.ReadFile(path + ".partial"); err != nil || strings.Count(string(b), "\n") != 5 {
		t.Errorf("%q is kept (%v)", b, err)
	}
}

func FuzzTableRead(f *testing.F) {
	dir := f.TempDir()
	for _, ext := range []string{".csv", ".jsonl"} {
		path := filepath.Join(dir, "seed"+ext)
		if _, err := (&File{Path: path, Table: made(4, nil)}).Run(context.Background()); err != nil {
			f.Fatal(err)
		}
		b, _ := os.ReadFile(path)
		f.Add(b, ext == ".csv")
	}
	f.Fuzz(func(t *testing.T, b []byte, csv bool) {
		path := filepath.Join(t.TempDir(), "rows.jsonl")
		if csv {
			path = strings.TrimSuffix(path, ".jsonl") + ".csv"
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		if got, err := made(4, nil).Read(path); err == nil && len(got) != 4 {
			t.Errorf("%d rows of 4", len(got))
		}
	})
}
