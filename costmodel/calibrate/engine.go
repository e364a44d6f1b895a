package calibrate

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"ridgeline/internal/input"
)

// Engine is what a serving engine adds to the kernels of a step:
//
//	step = Σ kernels + streaming kernels · Stream + kernels · Gap + Host + batch · Sequence
//
// and, where new prompts are worked in between the steps of running ones,
//
//	TPOT = step + Interleave · (concurrency − 1) · prefill(prompt) / generate
type Engine struct {
	Name       string  `yaml:"name"`
	Host       float64 `yaml:"host_seconds"`     // per step, not hidden behind the GPU
	Sequence   float64 `yaml:"sequence_seconds"` // per sequence and step: scheduling, sampling, detokenising
	Stream     float64 `yaml:"stream_seconds"`   // launch of a norm, gate, rotary or copy, after fusion
	Gap        float64 `yaml:"gap_seconds"`      // per kernel, where no CUDA graph hides launches
	Interleave float64 `yaml:"interleave"`       // share of other requests' prefill that delays running ones

	Source string  `yaml:"source"`
	Rows   int     `yaml:"rows,omitempty"`
	MAPE   float64 `yaml:"mape,omitempty"` // of TPOT on the rows fitted
}

// PackedEngines is the name of the packed file of engines.yaml.
const PackedEngines = "engines.json"

var engines = sync.OnceValue(func() (es []Engine) {
	unpack(PackedEngines, &es)
	return es
})

// ParseEngines reads a list of engines. name is what errors call the file.
func ParseEngines(name string, data []byte) ([]Engine, error) {
	if err := input.CheckYAML(name, data); err != nil {
		return nil, err
	}
	var d struct {
		Engines []Engine `yaml:"engines"`
	}
	if err := yaml.UnmarshalWithOptions(data, &d, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: not a list of engines: %s", name, strings.Join(strings.Fields(yaml.FormatError(err, false, false)), " "))
	}
	if len(d.Engines) == 0 {
		return nil, fmt.Errorf("%s: no engines", name)
	}
	for i := range d.Engines {
		e := &d.Engines[i]
		if e.Name == "" {
			return nil, fmt.Errorf("%s: engine %d has no name", name, i+1)
		}
		for _, f := range []struct {
			field string
			v     float64
			most  float64
		}{{"host_seconds", e.Host, 10}, {"sequence_seconds", e.Sequence, 1}, {"stream_seconds", e.Stream, 1}, {"gap_seconds", e.Gap, 1}, {"interleave", e.Interleave, 2}} {
			if !(f.v >= 0 && f.v <= f.most) {
				return nil, fmt.Errorf("%s: engine %s: %s %g is not from 0 to %g", name, e.Name, f.field, f.v, f.most)
			}
		}
	}
	return d.Engines, nil
}

// EngineNamed returns an engine by name; "" is the first, vLLM with CUDA graphs.
func EngineNamed(name string) (*Engine, error) {
	es := engines()
	if name == "" {
		return &es[0], nil
	}
	for i := range es {
		if strings.EqualFold(es[i].Name, name) {
			return &es[i], nil
		}
	}
	return nil, fmt.Errorf("engine %q is not one of %s", name, strings.Join(EngineNames(), ", "))
}

// EngineOf returns the engine of a served run among es: of its version, else of its name,
// else, for one nobody fitted, the built-in default.
func EngineOf(es []Engine, name, version string) *Engine {
	for _, n := range []string{EngineVersion(name, version), name} {
		for i := range es {
			if strings.EqualFold(es[i].Name, n) {
				return &es[i]
			}
		}
	}
	return &engines()[0]
}

// Engines returns the engines that come with ridgeline, the default first.
func Engines() []Engine { return slices.Clone(engines()) }

// EngineVersion is what one version of an engine is called where several were fitted.
func EngineVersion(name, version string) string { return name + "-" + version }

// EngineNames lists the engines, the default first.
func EngineNames() []string {
	var names []string
	for _, e := range engines() {
		names = append(names, e.Name)
	}
	return names
}

// ServedParts is a served run taken apart: the seconds of a step's and a prompt's kernels
// without what an engine adds, and how many of them stream.
type ServedParts struct {
	Step, Prompt               float64
	StepStreams, PromptStreams float64
	StepKernels                float64
	Generate, Concurrency      float64
	TPOT                       float64 // measured, seconds
}

// TPOT is the predicted mean time per output token of a served run. cached says that
// prompts did not run on the GPUs that decode.
func (e *Engine) TPOT(p *ServedParts, cached bool) float64 {
	t := p.Step + p.StepStreams*e.Stream + p.StepKernels*e.Gap + e.Host + e.Sequence*p.Concurrency
	if !cached {
		t += e.Interleave * (p.Concurrency - 1) * (p.Prompt + p.PromptStreams*e.Stream) / p.Generate
	}
	return t
}

// FitEngine fits an engine to served runs.
func FitEngine(ctx context.Context, name string, runs []ServedParts) (Engine, error) {
	if len(runs) < 8 {
		return Engine{}, fmt.Errorf("%s: %d served runs, want 8 or more", name, len(runs))
	}
	e := Engine{Name: name, Host: 1e-4, Sequence: 2e-5, Stream: 2e-6, Interleave: 0.9, Rows: len(runs)}
	ps := []param{{&e.Host, 0}, {&e.Sequence, 0}, {&e.Stream, 0}, {&e.Interleave, 1}}
	err := minimise(ctx, ps, 3000, func() float64 {
		sum := 0.0
		for i := range runs {
			sum += robust(math.Log(e.TPOT(&runs[i], false) / runs[i].TPOT))
		}
		return sum / float64(len(runs))
	})
	if err != nil {
		return e, err
	}
	for i := range runs {
		e.MAPE += math.Abs(e.TPOT(&runs[i], false)/runs[i].TPOT-1) / float64(len(runs))
	}
	for _, v := range []*float64{&e.Host, &e.Sequence, &e.Stream, &e.Interleave, &e.MAPE} {
		*v = significant(*v, 3)
	}
	return e, nil
}

// EagerGap is what a kernel costs more when it is launched by itself instead of from a
// CUDA graph: the median, over tables of all-reduces and counts of GPUs, of the
// difference at the smallest message timed both ways. ok is false without such a pair.
func EagerGap(tables []Table) (seconds float64, ok bool) {
	type key struct {
		file        string
		gpus, bytes float64
	}
	var gaps []float64
	for _, t := range tables {
		if t.Class != ClassAllReduce {
			continue
		}
		graph := map[key]float64{}
		for _, r := range t.Rows {
			if !r.AllReduce.Eager {
				graph[key{t.File, r.AllReduce.GPUs, r.AllReduce.Bytes}] = r.Seconds
			}
		}
		least := map[key]float64{} // smallest message of each (file, GPUs), and its gap
		gap := map[key]float64{}
		for _, r := range t.Rows {
			if !r.AllReduce.Eager {
				continue
			}
			g, both := graph[key{t.File, r.AllReduce.GPUs, r.AllReduce.Bytes}]
			k := key{t.File, r.AllReduce.GPUs, 0}
			if b, seen := least[k]; both && (!seen || r.AllReduce.Bytes < b) {
				least[k], gap[k] = r.AllReduce.Bytes, max(r.Seconds-g, 0)
			}
		}
		for _, g := range gap {
			gaps = append(gaps, g)
		}
	}
	if len(gaps) == 0 {
		return 0, false
	}
	sort.Float64s(gaps)
	return significant(quantile(gaps, 0.5), 2), true
}

// WithDerived adds the engines that no served run stands for: vLLM without CUDA graphs,
// which is vLLM and a gap behind every kernel, and one that adds nothing. vLLM, whose
// kernels the profiles were fitted to, comes first.
func WithDerived(fitted []Engine, eagerGap float64, source string) []Engine {
	out := append([]Engine(nil), fitted...)
	for i := range out {
		out[i].Source = source
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Name == "vllm" && out[j].Name != "vllm" })
	for _, e := range fitted {
		if e.Name == "vllm" && eagerGap > 0 {
			e.Name, e.Gap, e.Rows, e.MAPE = "vllm-eager", eagerGap, 0, 0
			e.Source = "vllm, and the gap between all-reduces launched one by one and from a CUDA graph; no served run was measured"
			out = append(out, e)
		}
	}
	return append(out, Engine{Name: "ideal", Interleave: 1, Source: "adds nothing"})
}

// WriteEngines writes engines as ParseEngines reads them.
func WriteEngines(w io.Writer, es []Engine) error {
	b, err := yaml.Marshal(struct {
		Engines []Engine `yaml:"engines"`
	}{es})
	if err != nil {
		return fmt.Errorf("writing engines: %w", err)
	}
	_, err = w.Write(b)
	return err
}
