package calibrate

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ridgeline/internal/input"
	"ridgeline/internal/records"
)

// Class is a kind of operation that is fitted by itself.
type Class uint8

// The classes that have measurements.
const (
	ClassGEMM Class = iota
	ClassDecode
	ClassPrefill
	ClassDeltaNet
	ClassMamba2
	ClassAllReduce
	classes
)

var classNames = [classes]string{
	"gemm", "decode_attention", "prefill_attention", "gated_deltanet", "mamba2", "allreduce",
}

// String returns the class's name, which is also how its files begin.
func (c Class) String() string {
	if c < classes {
		return classNames[c]
	}
	return "unknown"
}

// Row is one timing. Only the shape of the table's class is meaningful.
type Row struct {
	Line      int // in its file, the header being line 1
	Seconds   float64
	GEMM      GEMM
	Decode    DecodeAttention
	Prefill   PrefillAttention
	Recurrent Recurrent
	AllReduce AllReduce
}

// Table is one file of timings of one class on one GPU.
type Table struct {
	File     string // base name
	Hardware string // profile name: "a100-80gb"
	Class    Class
	Rows     []Row
}

// shortNames maps the GPU of a file name to the profile it was measured on, where the
// two differ.
var shortNames = map[string]string{
	"a100": "a100-80gb", "a100_sxm": "a100-80gb", "h100": "h100-sxm", "h100_sxm": "h100-sxm", "h200_sxm": "h200", "b200_sxm": "b200",
}

// ReadDir reads every CLASS_GPU.csv in a directory, in name order. Files of other
// names (serving.csv, notes) are passed over.
func ReadDir(dir string) ([]Table, error) {
	entries, err := os.ReadDir(dir) // in name order
	if err != nil {
		return nil, err
	}
	var tables []Table
	for _, e := range entries {
		if _, _, ok := classify(e.Name()); !ok {
			continue
		}
		t, err := ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	if len(tables) == 0 {
		return nil, fmt.Errorf("%s: %w with CLASS one of %s", dir, ErrNoTables, strings.Join(classNames[:], ", "))
	}
	return tables, nil
}

// ErrNoTables is a directory without a table of timings.
var ErrNoTables = errors.New("no file named CLASS_GPU.csv")

// MaxTable is the size in bytes past which a file is no table of timings: the largest
// known have 300 kB.
const MaxTable = 64 << 20

// ReadFile reads one file named CLASS_GPU.csv.
func ReadFile(path string) (Table, error) {
	base := filepath.Base(path)
	class, gpu, ok := classify(base)
	if !ok {
		return Table{}, fmt.Errorf("%s: want a name CLASS_GPU.csv with CLASS one of %s", path, strings.Join(classNames[:], ", "))
	}
	f, err := input.OpenAtMost(path, MaxTable)
	if err != nil {
		return Table{}, err
	}
	defer f.Close()
	rows, err := Read(f, base, class)
	return Table{File: base, Hardware: gpu, Class: class, Rows: rows}, err
}

// classify splits a file name into its class and the profile name of its GPU.
func classify(base string) (Class, string, bool) {
	stem, ok := strings.CutSuffix(base, ".csv")
	if !ok {
		return 0, "", false
	}
	for c := range classes {
		if gpu, ok := strings.CutPrefix(stem, c.String()+"_"); ok && gpu != "" {
			return c, LongName(gpu), true
		}
	}
	return 0, "", false
}

// Read reads the rows of one class. name is what errors call the file: every error is
// one line, "name:line: column: what is wrong".
func Read(r io.Reader, name string, class Class) ([]Row, error) {
	var rows []Row
	err := records.Each(r, name, func(rec *records.Record) error {
		rows = append(rows, readRow(rec, class))
		return rec.Err()
	})
	return rows, err
}

// row reads the fields of a class.
func readRow(r *records.Record, class Class) Row {
	row := Row{Line: r.Line}
	switch class {
	case ClassGEMM:
		row.GEMM = GEMM{M: r.Size("m", 1), N: r.Size("n", 1), K: r.Size("k", 1), DType: r.Format("dtype")}
	case ClassDecode:
		row.Decode = DecodeAttention{
			Batch: r.Size("batch", 1), Heads: r.Size("heads", 1), KVHeads: r.Size("kv_heads", 1),
			HeadDim: r.Size("head_dim", 1), Window: r.Size("window", 0), Context: r.Size("context", 1),
			KVDType: r.Format("kv_dtype"),
		}
		grouped(r, row.Decode.Heads, row.Decode.KVHeads)
	case ClassPrefill:
		row.Prefill = PrefillAttention{
			Batch: r.Size("batch", 1), Heads: r.Size("heads", 1), KVHeads: r.Size("kv_heads", 1),
			HeadDim: r.Size("head_dim", 1), Window: r.Size("window", 0), Prompt: r.Size("prompt", 1),
		}
		grouped(r, row.Prefill.Heads, row.Prefill.KVHeads)
	case ClassDeltaNet:
		row.Recurrent = Recurrent{
			Kernel: readKernel(r, deltaKernels), Batch: r.Size("batch", 1), Tokens: r.Size("seq_len", 1),
			KeyHeads: r.Size("k_heads", 1), KeyDim: r.Size("k_head_dim", 1),
			ValueHeads: r.Size("v_heads", 1), ValueDim: r.Size("v_head_dim", 1), Conv: r.Size("d_conv", 1),
		}
	case ClassMamba2:
		row.Recurrent = Recurrent{
			Kernel: readKernel(r, mambaKernels), Batch: r.Size("batch", 1), Tokens: r.Size("seq_len", 1),
			KeyHeads: r.Size("groups", 1), KeyDim: r.Size("d_state", 1),
			ValueHeads: r.Size("heads", 1), ValueDim: r.Size("head_dim", 1), Conv: r.Size("d_conv", 1),
			Chunk: r.Size("chunk", 0),
		}
	case ClassAllReduce:
		row.AllReduce = AllReduce{
			GPUs: r.Size("gpus", 2), Bytes: r.Size("message_elements", 1) * r.Format("dtype").Bytes(),
			Eager: strings.HasSuffix(r.Text("backend"), "eager"),
		}
	}
	row.Seconds = r.Duration("latency_us", 1e6)
	return row
}

func grouped(r *records.Record, heads, kvHeads float64) {
	if r.Err() == nil && kvHeads > heads {
		r.Fail("kv_heads", "%g is more than the %g heads", kvHeads, heads)
	}
}

// The kernels as the measuring engines name them, by prefix.
var (
	deltaKernels = []kernelName{
		{"causal_conv1d_fn", DeltaConvContext}, {"causal_conv1d_update", DeltaConvStep},
		{"chunk_gated_delta_rule", DeltaContext}, {"fused_recurrent_gated_delta_rule", DeltaStep},
	}
	mambaKernels = []kernelName{
		{"causal_conv1d_fn", MambaConvContext}, {"causal_conv1d_update", MambaConvStep},
		{"mamba_chunk_scan", SSDContext}, {"mamba2_chunk_scan", SSDContext},
		{"selective_state_update", SSDStep},
	}
)

type kernelName struct {
	prefix string
	kernel Kernel
}

func readKernel(r *records.Record, known []kernelName) Kernel {
	t := r.Text("kernel")
	if r.Err() != nil {
		return 0
	}
	names := make([]string, len(known))
	for i, k := range known {
		if strings.HasPrefix(t, k.prefix) {
			return k.kernel
		}
		names[i] = k.prefix
	}
	r.Fail("kernel", "%q is none of %s", t, strings.Join(names, ", "))
	return 0
}

// LongName is the profile name of a GPU that files and people name shortly.
func LongName(gpu string) string {
	if long, ok := shortNames[gpu]; ok {
		return long
	}
	return gpu
}

// ParseClass reads the name of a class.
func ParseClass(s string) (Class, error) {
	for c := range classes {
		if c.String() == s {
			return c, nil
		}
	}
	return 0, fmt.Errorf("class %q is not one of %s", s, strings.Join(classNames[:], ", "))
}
