package calibrate

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/internal/records"
)

// Row is one timing.
type Row struct {
	Line    int // line in its file; the header is line 1
	Seconds float64
	Shape   any // a pointer to the shape type of the class, as kerneltime.Facts has it
}

// Table is one file of timings of one class on one GPU.
type Table struct {
	File     string // name of the file without its folder
	Hardware string // profile name: "a100-80gb"
	Class    kerneltime.Class
	Rows     []Row
}

// shortNames maps the GPU in a file's name to the name of its profile, where the two differ.
var shortNames = map[string]string{
	"a100": "a100-80gb", "a100_sxm": "a100-80gb", "h100": "h100-sxm", "h100_sxm": "h100-sxm", "h200_sxm": "h200", "b200_sxm": "b200",
}

// ReadDir reads every CLASS_GPU.csv in a folder, ordered by name. It passes over files with other
// names, such as serving.csv.
func ReadDir(dir string) ([]Table, error) {
	entries, err := input.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var tables []Table
	for _, e := range entries {
		if _, _, ok := classify(e.Name()); !ok {
			continue
		}
		ts, err := readFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		tables = append(tables, ts...)
	}
	if len(tables) == 0 {
		return nil, fmt.Errorf("%s: %w with CLASS one of %s", dir, ErrNoTables, strings.Join(kerneltime.ClassNames(), ", "))
	}
	return tables, nil
}

// ErrNoTables says that a folder has no table of timings.
var ErrNoTables = errors.New("no file named CLASS_GPU.csv")

// MaxTable is the largest size of a table that is read, in bytes; the largest known has 300 kB.
const MaxTable = 64 << 20

// ReadFile reads one file named CLASS_GPU.csv; of a file with kernels of two classes, decode
// attention or Gated DeltaNet, the rows of the class that it is named for if there are any.
func ReadFile(path string) (Table, error) {
	ts, err := readFile(path)
	if err != nil {
		return Table{}, err
	}
	return ts[0], nil
}

// other is the class of some of the rows of a file: kernels of another kind for the same operation.
var other = map[kerneltime.Class]kerneltime.Class{kerneltime.ClassDecode: kerneltime.ClassUnpacked, kerneltime.ClassDeltaNet: kerneltime.ClassRule}

// readFile reads one file. Decode attention whose column reads says per_query_head is a table
// of its own, and so are kernels of Gated DeltaNet that are flash-linear-attention's.
func readFile(path string) ([]Table, error) {
	base := filepath.Base(path)
	class, gpu, ok := classify(base)
	if !ok {
		return nil, fmt.Errorf("%s: want a name CLASS_GPU.csv with CLASS one of %s", path, strings.Join(kerneltime.ClassNames(), ", "))
	}
	f, err := input.OpenAtMost(path, MaxTable)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := Read(f, base, class)
	if err != nil {
		return nil, err
	}
	tables := []Table{{File: base, Hardware: gpu, Class: class}, {File: base, Hardware: gpu, Class: other[class]}}
	for _, r := range rows {
		to := 0
		switch r.Shape.(type) {
		case *kerneltime.UnpackedAttention:
			if class == kerneltime.ClassDecode {
				to = 1
			}
		case *kerneltime.Scan:
			if class == kerneltime.ClassDeltaNet {
				to = 1
			}
		}
		tables[to].Rows = append(tables[to].Rows, r)
	}
	if len(tables[1].Rows) == 0 {
		return tables[:1], nil
	}
	if len(tables[0].Rows) == 0 {
		return tables[1:], nil
	}
	return tables, nil
}

// classify splits the name of a file into its class and the profile name of its GPU.
func classify(base string) (kerneltime.Class, string, bool) {
	stem, ok := strings.CutSuffix(base, ".csv")
	if !ok {
		return 0, "", false
	}
	for _, c := range kerneltime.Classes() {
		if gpu, ok := strings.CutPrefix(stem, c.String()+"_"); ok && gpu != "" {
			return c, LongName(gpu), true
		}
	}
	return 0, "", false
}

// Read reads the rows of one class. Errors name the file by name; each is one line, "name:line:
// column: what is wrong".
func Read(r io.Reader, name string, class kerneltime.Class) ([]Row, error) {
	var rows []Row
	err := records.Each(r, name, func(rec *records.Record) error {
		of := class
		if class == kerneltime.ClassDecode {
			switch reads := rec.Optional("reads", "packed"); reads {
			case "packed":
			case "per_query_head":
				of = kerneltime.ClassUnpacked
			default:
				rec.Fail("reads", "%q is neither packed nor per_query_head", reads)
			}
		}
		if class == kerneltime.ClassDeltaNet && strings.HasSuffix(rec.Text("kernel"), kerneltime.RuleSuffix) {
			of = kerneltime.ClassRule
		}
		row := Row{Line: rec.Line, Shape: of.Facts().Read(rec)}
		row.Seconds = rec.Duration("latency_us", 1e6)
		rows = append(rows, row)
		return rec.Err()
	})
	return rows, err
}

// LongName returns the profile name of a GPU that files and people name more shortly.
func LongName(gpu string) string {
	if long, ok := shortNames[gpu]; ok {
		return long
	}
	return gpu
}
