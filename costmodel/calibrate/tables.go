package calibrate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"ridgeline/internal/input"
	"ridgeline/precision"
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
	err := eachRecord(r, name, func(rec *record) error {
		row := rec.row(class)
		rows = append(rows, row)
		return rec.err
	})
	return rows, err
}

// eachRecord calls f for every line of a CSV file after its header.
func eachRecord(r io.Reader, name string, f func(*record) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	if !s.Scan() {
		if err := s.Err(); err != nil {
			return fmt.Errorf("%s:1: %w", name, lineError(err))
		}
		return fmt.Errorf("%s:1: empty file, want a header line", name)
	}
	rec := record{file: name, line: 1, column: map[string]int{}}
	header := split(s.Text())
	for i, h := range header {
		if _, twice := rec.column[h]; twice {
			return fmt.Errorf("%s:1: %q: two columns of this name", name, h)
		}
		rec.column[h] = i
	}
	n := 0
	for s.Scan() {
		rec.line++
		text := strings.TrimSpace(s.Text())
		if text == "" {
			continue
		}
		n++
		rec.field = split(text)
		if len(rec.field) != len(header) {
			return fmt.Errorf("%s:%d: %d fields, the header has %d", name, rec.line, len(rec.field), len(header))
		}
		if err := f(&rec); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", name, rec.line+1, lineError(err))
	}
	if n == 0 {
		return fmt.Errorf("%s:%d: no rows after the header", name, rec.line)
	}
	return nil
}

// lineError words what stops a reader of lines.
func lineError(err error) error {
	if errors.Is(err, bufio.ErrTooLong) {
		return errors.New("a line of more than 1 MiB: not a table of timings")
	}
	return err
}

func split(line string) []string {
	f := strings.Split(strings.TrimPrefix(line, "\ufeff"), ",")
	for i := range f {
		f[i] = strings.TrimSpace(f[i])
	}
	return f
}

// record is one line being read; the first error sticks.
type record struct {
	file   string
	line   int
	column map[string]int
	field  []string
	err    error
}

func (r *record) fail(column, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%s:%d: %s: %s", r.file, r.line, column, fmt.Sprintf(format, args...))
	}
}

func (r *record) text(column string) string {
	i, ok := r.column[column]
	if !ok {
		r.fail(column, "no such column in the header")
		return ""
	}
	return r.field[i]
}

// largest bounds any size in a table: beyond it products of four sizes would overflow
// what a double counts exactly, and no GPU kernel is anywhere near.
const largest = 1 << 40

// size reads a whole number of at least least.
func (r *record) size(column string, least float64) float64 {
	t := r.text(column)
	v, err := strconv.ParseFloat(t, 64)
	switch {
	case r.err != nil:
		return least
	case err != nil || v != float64(int64(v)):
		r.fail(column, "%q is not a whole number", t)
	case v < least || v > largest:
		r.fail(column, "%s is out of range, want %g to 2^40", t, least)
	}
	return v
}

// duration reads a positive time in seconds from a column with so many units to a second.
func (r *record) duration(column string, perSecond float64) float64 {
	t := r.text(column)
	v, err := strconv.ParseFloat(t, 64)
	switch {
	case r.err != nil:
	case err != nil:
		r.fail(column, "%q is not a number", t)
	case !(v > 0) || v >= 1e6*perSecond: // two weeks
		r.fail(column, "%s is not a positive time", t)
	}
	return v / perSecond
}

func (r *record) dtype(column string) precision.DType {
	t := r.text(column)
	if r.err != nil {
		return precision.Unset
	}
	d, err := precision.Parse(t)
	if err != nil {
		r.fail(column, "%v", err)
	} else if b := d.Bytes(); b != 1 && b != 2 {
		r.fail(column, "%q is not a format calibrated here (bfloat16, float16, fp8, int8)", t)
	}
	return d
}

// row reads the fields of a class.
func (r *record) row(class Class) Row {
	row := Row{Line: r.line}
	switch class {
	case ClassGEMM:
		row.GEMM = GEMM{M: r.size("m", 1), N: r.size("n", 1), K: r.size("k", 1), DType: r.dtype("dtype")}
	case ClassDecode:
		row.Decode = DecodeAttention{
			Batch: r.size("batch", 1), Heads: r.size("heads", 1), KVHeads: r.size("kv_heads", 1),
			HeadDim: r.size("head_dim", 1), Window: r.size("window", 0), Context: r.size("context", 1),
			KVDType: r.dtype("kv_dtype"),
		}
		r.grouped(row.Decode.Heads, row.Decode.KVHeads)
	case ClassPrefill:
		row.Prefill = PrefillAttention{
			Batch: r.size("batch", 1), Heads: r.size("heads", 1), KVHeads: r.size("kv_heads", 1),
			HeadDim: r.size("head_dim", 1), Window: r.size("window", 0), Prompt: r.size("prompt", 1),
		}
		r.grouped(row.Prefill.Heads, row.Prefill.KVHeads)
	case ClassDeltaNet:
		row.Recurrent = Recurrent{
			Kernel: r.kernel(deltaKernels), Batch: r.size("batch", 1), Tokens: r.size("seq_len", 1),
			KeyHeads: r.size("k_heads", 1), KeyDim: r.size("k_head_dim", 1),
			ValueHeads: r.size("v_heads", 1), ValueDim: r.size("v_head_dim", 1), Conv: r.size("d_conv", 1),
		}
	case ClassMamba2:
		row.Recurrent = Recurrent{
			Kernel: r.kernel(mambaKernels), Batch: r.size("batch", 1), Tokens: r.size("seq_len", 1),
			KeyHeads: r.size("groups", 1), KeyDim: r.size("d_state", 1),
			ValueHeads: r.size("heads", 1), ValueDim: r.size("head_dim", 1), Conv: r.size("d_conv", 1),
			Chunk: r.size("chunk", 0),
		}
	case ClassAllReduce:
		row.AllReduce = AllReduce{
			GPUs: r.size("gpus", 2), Bytes: r.size("message_elements", 1) * r.dtype("dtype").Bytes(),
			Eager: strings.HasSuffix(r.text("backend"), "eager"),
		}
	}
	row.Seconds = r.duration("latency_us", 1e6)
	return row
}

func (r *record) grouped(heads, kvHeads float64) {
	if r.err == nil && kvHeads > heads {
		r.fail("kv_heads", "%g is more than the %g heads", kvHeads, heads)
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

func (r *record) kernel(known []kernelName) Kernel {
	t := r.text("kernel")
	if r.err != nil {
		return 0
	}
	names := make([]string, len(known))
	for i, k := range known {
		if strings.HasPrefix(t, k.prefix) {
			return k.kernel
		}
		names[i] = k.prefix
	}
	r.fail("kernel", "%q is none of %s", t, strings.Join(names, ", "))
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
