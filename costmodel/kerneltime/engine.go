package kerneltime

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/OWNER/ridgeline/internal/input"
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
	Host       float64 `yaml:"host_seconds"`     // host time for each step that is not hidden behind the GPU
	Sequence   float64 `yaml:"sequence_seconds"` // for each sequence in each step: scheduling, sampling, turning tokens into text
	Stream     float64 `yaml:"stream_seconds"`   // launch of a norm, gate, rotary embedding or copy, where kernels are fused
	Gap        float64 `yaml:"gap_seconds"`      // for each kernel, where no CUDA graph hides launches
	Interleave float64 `yaml:"interleave"`       // share of other requests' prefill by which running requests are delayed

	Source string  `yaml:"source"`
	Rows   int     `yaml:"rows,omitempty"`
	MAPE   float64 `yaml:"mape,omitempty"` // error of TPOT on the rows of the fit
}

// PackedEngines is the name of the packed file of engines.yaml.
const PackedEngines = "engines.json"

var engines = sync.OnceValue(func() (es []Engine) {
	unpack(PackedEngines, &es)
	return es
})

// ParseEngines reads a list of engines. name is what errors call the file.
func ParseEngines(name string, data []byte) ([]Engine, error) {
	var d struct {
		Engines []Engine `yaml:"engines"`
	}
	if err := input.Decode(name, data, &d); err != nil {
		return nil, fmt.Errorf("%w: not a list of engines", err)
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

// EngineNamed returns an engine by its name; "" stands for the first one, vLLM with CUDA graphs.
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

// EngineOf returns the engine of a served run from es: the one with its version, else with its
// name, else the built-in default.
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

// Engines returns the engines that come with ridgeline; the default is the first.
func Engines() []Engine { return slices.Clone(engines()) }

// EngineVersion returns the name of one version of an engine of which several were fitted.
func EngineVersion(name, version string) string { return name + "-" + version }

// EngineNames lists the names of the engines; the default is the first.
func EngineNames() []string {
	var names []string
	for _, e := range engines() {
		names = append(names, e.Name)
	}
	return names
}

// WriteEngines writes engines so that ParseEngines can read them.
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
