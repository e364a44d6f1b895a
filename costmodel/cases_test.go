package costmodel

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/precision"
)

// TestCases runs testdata/cases/*.txt: numbers derived by hand, one a line, so that a case
// needs no Go. The format:
//
//	model NAME                 a preset or family spec
//	hardware NAME
//	options key=value …        weights kv state compute tp pp ep dp skew kv-read diff-kernel prefill
//	step batch=B context=N     what follows is about one decode step
//	prefill batch=B prompt=P   … about a prefill
//	memory batch=B prompt=P generate=G
//	expect FIGURE EXPRESSION   sums and products of numbers; commas are ignored
//
// Figures: a kind of bytes (cache_read, weights, …), bytes, flops, seconds, weights_bytes,
// cache_per_token, cache_read_per_token, state_per_sequence,
// bytes_per_sequence, workspace, max_batch, missing; an operation's
// share is OP/FIGURE, such as attn.core/flops. link is what a device sends inside its node, net
// what it sends to others. With several stages or groups, steps and prefills are of one
// microbatch: of each stage's operations on one device.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) { runCases(t, f) })
	}
}

type caseRun struct {
	model, hw string
	opts      Options
	c         *Compiled
	ops       []OpGroup
	call      Call
	mem       Memory
}

func runCases(t *testing.T, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := &caseRun{}
	checked := 0
	sc := bufio.NewScanner(f)
	for n := 1; sc.Scan(); n++ {
		line, _, _ := strings.Cut(sc.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "expect" {
			checked++
			got, err := r.figure(words[1])
			if err != nil {
				t.Fatalf("%s:%d: %v", file, n, err)
			}
			want, err := evalSum(strings.Join(words[2:], ""))
			if err != nil {
				t.Fatalf("%s:%d: %v", file, n, err)
			}
			if math.Abs(got-want) > 1e-9*math.Abs(want) {
				t.Errorf("%s:%d: %s is %.6f, by hand %.6f", file, n, words[1], got, want)
			}
			continue
		}
		if err := r.set(words[0], words[1:]); err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
	}
	if checked == 0 {
		t.Fatalf("%s expects nothing", file)
	}
}

func (r *caseRun) set(verb string, args []string) error {
	switch verb {
	case "model":
		*r = caseRun{model: strings.Join(args, " "), hw: r.hw}
		return nil
	case "hardware":
		r.hw = args[0]
		return nil
	case "options":
		r.opts = Options{}
		for _, a := range args {
			k, v, _ := strings.Cut(a, "=")
			if err := setOption(&r.opts, k, v); err != nil {
				return err
			}
		}
		return nil
	}
	m, err := models.Open(r.model)
	if err != nil {
		return err
	}
	hw, err := hardware.Lookup(r.hw)
	if err != nil {
		return err
	}
	if r.c, err = Compile(m, hw, r.opts); err != nil {
		return err
	}
	n := map[string]int{}
	for _, a := range args {
		k, v, _ := strings.Cut(a, "=")
		if n[k], err = strconv.Atoi(v); err != nil {
			return err
		}
	}
	switch verb {
	case "step":
		r.ops, r.call = r.c.decode, Call{Batch: r.c.perDevice(Workload{Batch: n["batch"]}).Batch, New: 1, Past: n["context"] - 1}
	case "prefill":
		r.ops, r.call = r.c.prefill, Call{Batch: r.c.perDevice(Workload{Batch: n["batch"]}).Batch, New: n["prompt"]}
	case "memory":
		r.mem = r.c.Memory(Workload{Batch: n["batch"], Prompt: n["prompt"], Generate: n["generate"]})
	default:
		return fmt.Errorf("unknown line %q", verb)
	}
	return nil
}

func setOption(o *Options, k, v string) (err error) {
	switch k {
	case "weights":
		o.Weights, err = formats.Parse(v)
	case "kv":
		o.KV, err = precision.Parse(v)
	case "state":
		o.State, err = precision.Parse(v)
	case "compute":
		o.Compute, err = precision.Parse(v)
	case "tp":
		o.TP, err = strconv.Atoi(v)
	case "pp":
		o.PP, err = strconv.Atoi(v)
	case "ep":
		o.EP, err = strconv.Atoi(v)
	case "dp":
		o.DP, err = strconv.Atoi(v)
	case "skew":
		o.Skew, err = strconv.ParseFloat(v, 64)
	case "kv-read":
		o.KVRead, err = execution.ParseKVRead(v)
	case "diff-kernel":
		o.Diff, err = execution.ParseDiffKernel(v)
	case "prefill":
		o.Prefill, err = execution.ParsePrefillMode(v)
	default:
		err = fmt.Errorf("unknown option %q", k)
	}
	return err
}

func (r *caseRun) figure(name string) (float64, error) {
	switch name {
	case "weights_bytes":
		return r.mem.WeightsBytes, nil
	case "cache_per_token":
		return r.mem.CacheBytesPerToken, nil
	case "cache_read_per_token":
		return r.mem.CacheReadBytesPerToken, nil
	case "state_per_sequence":
		return r.mem.StateBytesPerSequence, nil
	case "workspace":
		return r.mem.WorkspaceBytes, nil
	case "bytes_per_sequence":
		return r.mem.BytesPerSequence, nil
	case "max_batch":
		return float64(r.mem.MaxBatch), nil
	case "missing":
		return r.mem.MissingBytes, nil
	}
	op, fig, one := strings.Cut(name, "/")
	if !one {
		op, fig = "", name
	}
	var sum Work
	seconds, found := 0.0, !one
	for i := range r.ops {
		g := &r.ops[i]
		if one && g.Name != op {
			continue
		}
		found = true
		w := g.Op.Work(r.call)
		sum.add(w, float64(g.Count))
		seconds += float64(g.Count) * r.c.opSeconds(&g.Op, &w)
	}
	if !found {
		return 0, fmt.Errorf("the call has no operation %q", op)
	}
	switch fig {
	case "link":
		return sum.Link, nil
	case "net":
		return sum.Net, nil
	case "bytes":
		return sum.Total(), nil
	case "flops":
		return sum.FLOPs, nil
	case "seconds":
		return seconds, nil
	}
	for k, n := range kindNames {
		if n == fig {
			return sum.Bytes[k], nil
		}
	}
	return 0, fmt.Errorf("unknown figure %q", fig)
}

// evalSum reads sums of products and quotients, such as 2*3+4/5.
func evalSum(s string) (float64, error) {
	total := 0.0
	for _, term := range strings.Split(strings.ReplaceAll(s, ",", ""), "+") {
		p := 1.0
		for _, factor := range strings.Split(term, "*") {
			num, den, div := strings.Cut(factor, "/")
			v, err := strconv.ParseFloat(num, 64)
			if err != nil {
				return 0, err
			}
			if div {
				d, err := strconv.ParseFloat(den, 64)
				if err != nil {
					return 0, err
				}
				v /= d
			}
			p *= v
		}
		total += p
	}
	return total, nil
}

// A case about an operation that does not exist is an error, not a zero.
func TestCaseOfNoOperation(t *testing.T) {
	r := &caseRun{}
	for _, l := range []string{"model phi4-mini", "hardware a100-80gb", "step batch=1 context=100"} {
		words := strings.Fields(l)
		if err := r.set(words[0], words[1:]); err != nil {
			t.Fatal(err)
		}
	}
	for _, figure := range []string{"no.such.operation/flops", "attn.out.allreduce/link", "attn.core/no_such_figure", "no_such_figure"} {
		if v, err := r.figure(figure); err == nil {
			t.Errorf("%s is %g and no error", figure, v)
		}
	}
	if _, err := r.figure("attn.core/flops"); err != nil {
		t.Error(err)
	}
}
