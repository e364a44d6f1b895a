// Package golden holds the kernels against tensors that independent implementations
// made: inputs and weights in float32, outputs in float64 arithmetic, as safetensors
// whose metadata names the operation.
//
// The error of a file is the largest ‖out − ref‖/‖ref‖ over its outputs; an operation
// must stay below 1e-5, a whole model below 1e-4.
package golden

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/kernels/safetensors"
)

//go:embed testdata/*.safetensors
var embedded embed.FS

// Embedded is the set of files that comes with the program: every operation's. The whole
// model in testdata/whole would add 1.4 MB to it, so that it is for tests, and for
// validate --golden in a clone.
func Embedded() fs.FS {
	sub, err := fs.Sub(embedded, "testdata")
	if err != nil {
		panic(err) // the directory is part of the program
	}
	return sub
}

// The largest errors that pass.
const (
	OpTolerance    = 1e-5
	ModelTolerance = 1e-4
)

// Result is how one file fared.
type Result struct {
	File      string  `json:"file"`
	Op        string  `json:"op"`
	Model     string  `json:"model,omitempty"` // model_type of a checkpoint
	MaxRelErr float64 `json:"max_rel_err"`
	OK        bool    `json:"ok"`
	Skipped   bool    `json:"skipped,omitempty"` // no kernel for it: neither passed nor failed
	Why       string  `json:"why,omitempty"`     // a checkpoint was skipped, or failed before it ran
	Worst     string  `json:"worst,omitempty"`   // output with the largest error
}

// Run checks every .safetensors file of a file system, in order of name. It returns
// what is done when ctx ends, and an error for the first file that cannot be used.
func Run(ctx context.Context, fsys fs.FS, done func(Result)) ([]Result, error) {
	var names []string
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && path.Ext(p) == ".safetensors" {
			names = append(names, p)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("golden: no .safetensors files")
	}
	sort.Strings(names)
	var out []Result
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		r, err := file(ctx, fsys, name)
		if err != nil {
			return out, err
		}
		out = append(out, r)
		if done != nil {
			done(r)
		}
	}
	return out, nil
}

// maxFile is the size in bytes past which a file is no set of golden tensors: the largest
// of our own has 2 MB.
const maxFile = 256 << 20

// read reads a regular file of at most maxFile bytes.
func read(fsys fs.FS, name string) ([]byte, error) {
	st, err := fs.Stat(fsys, name)
	if err != nil {
		return nil, input.Reason(name, err)
	}
	if err := input.Regular(name, st.Mode()); err != nil {
		return nil, err
	}
	if st.Size() > maxFile {
		return nil, fmt.Errorf("%s: larger than %d MiB: not a file of golden tensors", name, maxFile>>20)
	}
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, input.Reason(name, err)
	}
	return b, nil
}

func file(ctx context.Context, fsys fs.FS, name string) (Result, error) {
	b, err := read(fsys, name)
	if err != nil {
		return Result{}, fmt.Errorf("golden: %w", err)
	}
	f, err := safetensors.Open(b)
	if err != nil {
		return Result{}, fmt.Errorf("golden: %s: %w", name, err)
	}
	r := Result{File: name, Op: f.Metadata["op"]}
	if _, ok := f.Metadata["config"]; ok && r.Op == "" {
		r.Op = "checkpoint"
	}
	check, tolerance := checks(r.Op), OpTolerance
	if r.Op == "phi4flash" || r.Op == "checkpoint" {
		tolerance = ModelTolerance
	}
	if check == nil {
		r.Skipped = true
		return r, nil
	}
	c := &tensors{f: f}
	err = check(ctx, c)
	if err == nil {
		err = c.err
	}
	r.Model = c.model
	switch {
	case err == nil:
	case errors.Is(err, errNotRead):
		r.Skipped, r.Why = true, err.Error()
		return r, nil
	case r.Op == "checkpoint" && ctx.Err() == nil:
		// A whole model that cannot be put together has failed; others are still run.
		r.Why, r.MaxRelErr = err.Error(), math.MaxFloat64
		return r, nil
	default:
		return r, fmt.Errorf("golden: %s: %w", name, err)
	}
	if err := ctx.Err(); err != nil {
		return r, err
	}
	r.MaxRelErr, r.Worst = c.worst, c.worstName
	r.OK = c.compared > 0 && c.worst < tolerance
	return r, nil
}

func checks(op string) func(context.Context, *tensors) error {
	switch op {
	case "attention":
		return attention
	case "mamba1_scan":
		return mamba1Scan
	case "mamba2_ssd":
		return mamba2SSD
	case "gated_delta_rule":
		return gatedDeltaRule
	case "gmu", "ngmu":
		return gatedMemory
	case "sigmoid_gmu":
		return sigmoidGMU
	case "phi4flash":
		return phi4flash
	case "checkpoint":
		return huggingFace
	}
	return nil
}

// tensors reads the tensors of a file, keeping the first error, and compares outputs.
type tensors struct {
	f         *safetensors.File
	err       error
	model     string // model_type of a checkpoint
	compared  int
	worst     float64
	worstName string
}

func (t *tensors) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf(format, args...)
	}
}

// optional is a tensor's numbers, nil where the file has none; its shape must be dims.
func (t *tensors) optional(name string, dims ...int) []float32 {
	x, ok := t.f.Tensors[name]
	if !ok {
		return nil
	}
	if fmt.Sprint(x.Shape) != fmt.Sprint(dims) {
		t.fail("tensor %q is %v, want %v", name, x.Shape, dims)
		return nil
	}
	v, err := x.Float32s()
	if err != nil {
		t.fail("%w", err)
	}
	return v
}

func (t *tensors) floats(name string, dims ...int) []float32 {
	if _, ok := t.f.Tensors[name]; !ok {
		t.fail("tensor %q is missing", name)
	}
	return t.optional(name, dims...)
}

// shape is the shape of a tensor that must have so many dimensions, all positive.
func (t *tensors) shape(name string, dims int) []int {
	x, ok := t.f.Tensors[name]
	if !ok {
		t.fail("tensor %q is missing", name)
		return make([]int, dims)
	}
	if len(x.Shape) != dims {
		t.fail("tensor %q is %v, want %d dimensions", name, x.Shape, dims)
		return make([]int, dims)
	}
	for _, d := range x.Shape {
		if d <= 0 {
			t.fail("tensor %q is %v: empty", name, x.Shape)
		}
	}
	return x.Shape
}

// number is a metadata attribute, or the value it has where the file does not say.
func (t *tensors) number(key string, otherwise float64) float64 {
	s, ok := t.f.Metadata[key]
	if !ok {
		return otherwise
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		t.fail("metadata %s = %q is not a number", key, s)
	}
	return v
}

func (t *tensors) flag(key string, otherwise bool) bool {
	switch s := strings.ToLower(strings.TrimSpace(t.f.Metadata[key])); s {
	case "":
		return otherwise
	case "1", "true":
		return true
	case "0", "false":
		return false
	default:
		t.fail("metadata %s = %q is not a truth value", key, s)
		return false
	}
}

// tokens reads token ids [batch, seq].
func (t *tensors) tokens(name string) ([][]int, error) {
	shape := t.shape(name, 2)
	if t.err != nil {
		return nil, nil
	}
	flat, err := t.f.Tensors[name].Ints()
	if err != nil {
		return nil, err
	}
	out := make([][]int, shape[0])
	for i := range out {
		out[i] = flat[i*shape[1] : (i+1)*shape[1]]
	}
	return out, nil
}

// compare holds out against the reference tensor of that name; one that is absent is
// compared with nothing.
func (t *tensors) compare(name string, out []float32) {
	x, ok := t.f.Tensors[name]
	if !ok || t.err != nil {
		return
	}
	ref, err := x.Float64s()
	if err != nil {
		t.fail("%w", err)
		return
	}
	if len(ref) != len(out) {
		t.fail("tensor %q is %v: %d numbers, the kernel makes %d", name, x.Shape, len(ref), len(out))
		return
	}
	t.record(name, relativeError(out, ref))
}

// record takes the error of one output.
func (t *tensors) record(name string, e float64) {
	if t.compared == 0 || !(e <= t.worst) {
		t.worst, t.worstName = e, name
	}
	t.compared++
}

// relativeError is ‖out − ref‖/‖ref‖, the largest number there is for a NaN.
func relativeError(out []float32, ref []float64) float64 {
	var diff, norm float64
	for i, r := range ref {
		d := float64(out[i]) - r
		diff += d * d
		norm += r * r
	}
	e := math.Sqrt(diff) / math.Sqrt(norm)
	switch {
	case diff == 0:
		return 0
	case math.IsNaN(e):
		return math.MaxFloat64 // what JSON can say of it
	}
	return e
}
