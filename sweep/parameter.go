package sweep

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/spell"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/serving"
	"github.com/OWNER/ridgeline/units"
)

// role says which part of a row a parameter belongs to, and so what must be built again when it
// changes.
type role uint8

const (
	modelParam  role = iota // a change builds the model again
	deployParam             // a change compiles the model again
	loadParam               // load and fidelity: a change only prices the compiled model again
)

// kind says how the values of a parameter are written.
type kind uint8

const (
	text   kind = iota // a name; only lists of values, no ranges
	number             // a decimal number
	whole              // a whole number
)

// point holds the setting of one row: the values of its parameters after reading.
type point struct {
	model    design
	changes  []change // model parameters other than the model itself
	device   *hardware.Profile
	options  costmodel.Options
	load     costmodel.Workload // a Batch of 0 stands for the largest that fits
	fidelity costmodel.Fidelity
	ask      ask
}

// change is a model parameter and its value, written as in the text of a family's model.
type change struct{ name, value string }

// set sets one parameter of a point.
type set func(*point)

// parameter is something that a grid can vary or fix.
type parameter struct {
	name    string
	aliases []string
	role    role
	kind    kind
	initial string // the value where a grid says nothing, "" for the model's or device's own
	doc     string
	// read checks a value and returns the function that sets it. All values of a grid are read
	// before the first row is computed, so that a misspelt one stops the sweep at once.
	read func(value string) (set, error)
}

// parameters lists all that a grid can vary. Lists of values given without --vary become axes in
// this order. The model parameters apply to families only, except the model itself and those that
// adjust handles.
var parameters = []parameter{
	{"model", []string{"layout"}, modelParam, text, "", "presets, family specs, files", readModel},
	{"d", []string{"depth"}, modelParam, whole, "", "depth of a family", option("d")},
	{"width", nil, modelParam, whole, "", "d_model of a family", option("width")},
	{"gmu_ratio", nil, modelParam, number, "", "share of the cross-decoder that are GMUs", option("gmu_ratio")},
	{"window", nil, modelParam, whole, "", "sliding window of the windowed layers", option("window")},
	{"heads", nil, modelParam, whole, "", "query heads of a family", option("heads")},
	{"kv_heads", nil, modelParam, whole, "", "kv heads", option("kv_heads")},
	{"head_dim", nil, modelParam, whole, "", "head dimension", option("head_dim")},
	{"d_state", nil, modelParam, whole, "", "SSM state per channel", option("d_state")},
	{"expand", nil, modelParam, whole, "", "SSM expansion of a family", option("expand")},
	{"mlp", nil, modelParam, whole, "", "MLP inner width of a family", option("mlp")},
	{"vocab", nil, modelParam, whole, "", "vocabulary of a family", option("vocab")},
	{"differential", nil, modelParam, text, "", "true, false: differential attention", option("differential")},
	{"on", []string{"hardware"}, deployParam, text, "a100-80gb", "devices", readDevice},
	{"weights", nil, deployParam, text, "", "storage format of the weights",
		named(formats.Parse, func(p *point, f formats.Format) { p.options.Weights = f })},
	{"kv", nil, deployParam, text, "", "storage format of the KV cache",
		named(precision.Parse, func(p *point, d precision.DType) { p.options.KV = d })},
	{"state", nil, deployParam, text, "", "storage format of recurrent states",
		named(precision.Parse, func(p *point, d precision.DType) { p.options.State = d })},
	{"conv_state", nil, deployParam, text, "", "storage format of the convolutions' states",
		named(precision.Parse, func(p *point, d precision.DType) { p.options.ConvState = d })},
	{"cache", nil, deployParam, text, "", "what windowed layers store: ring, full_window",
		named(execution.ParseCacheMode, func(p *point, c execution.CacheMode) { p.options.Cache = c })},
	{"compute", nil, deployParam, text, "", "format of matrix products",
		named(precision.Parse, func(p *point, d precision.DType) { p.options.Compute = d })},
	{"tp", nil, deployParam, whole, "", "tensor-parallel devices", readRanks("tp", func(o *costmodel.Options, n int) { o.TP = n })},
	{"pp", nil, deployParam, whole, "", "pipeline stages", readRanks("pp", func(o *costmodel.Options, n int) { o.PP = n })},
	{"ep", nil, deployParam, whole, "", "devices over which experts are spread", readRanks("ep", func(o *costmodel.Options, n int) { o.EP = n })},
	{"dp", nil, deployParam, whole, "", "groups of devices with sequences of their own", readRanks("dp", func(o *costmodel.Options, n int) { o.DP = n })},
	{"kv_read", nil, deployParam, text, "", strings.Join(execution.KVReads(), ", "),
		named(execution.ParseKVRead, func(p *point, r execution.KVRead) { p.options.KVRead = r })},
	{"diff_kernel", nil, deployParam, text, "", "fused, four_pass",
		named(execution.ParseDiffKernel, func(p *point, k execution.DiffKernel) { p.options.Diff = k })},
	{"delta_kernel", nil, deployParam, text, "", "auto, flashinfer, fla",
		named(execution.ParseDeltaKernel, func(p *point, k execution.DeltaKernel) { p.options.Delta = k })},
	{"prefill", nil, deployParam, text, "", "skip, full",
		named(execution.ParsePrefillMode, func(p *point, m execution.PrefillMode) { p.options.Prefill = m })},
	{"memory_fraction", nil, deployParam, number, "", "part of the device's memory in use", readFraction},
	{"prompt", nil, loadParam, whole, "2000", "prompt tokens",
		tokens(func(w *costmodel.Workload, n int) { w.Prompt = n })},
	{"generate", nil, loadParam, whole, "32000", "generated tokens",
		tokens(func(w *costmodel.Workload, n int) { w.Generate = n })},
	{"batch", []string{"concurrency"}, loadParam, whole, "1", "sequences, or max",
		tokens(func(w *costmodel.Workload, n int) { w.Batch = n })},
	{"fidelity", nil, loadParam, text, "", "limit, roofline, calibrated; else calibrated where a GPU of the device's architecture was measured, roofline where none was",
		named(costmodel.ParseFidelity, func(p *point, f costmodel.Fidelity) { p.fidelity = f })},
	{"simulate", nil, loadParam, text, "", "an engine: the simulate.… figures of batch clients served by it", readEngine},
	{"spread", nil, loadParam, number, "", "simulated: standard deviation of lengths over their mean, normal",
		plainNumber(0, 3, func(p *point, v float64) { p.ask.spread = v })},
	{"slo_ttft", nil, loadParam, number, "", "simulated: milliseconds to the first token that 99 % must meet, for simulate.users",
		plainNumber(1e-3, 1e9, func(p *point, v float64) { p.ask.slo.TTFT = v / 1e3 })},
	{"slo_tpot", nil, loadParam, number, "", "simulated: milliseconds a token after it, the same",
		plainNumber(1e-3, 1e9, func(p *point, v float64) { p.ask.slo.TPOT = v / 1e3 })},
}

// ask says what a row simulates.
type ask struct {
	engine *serving.Profile // nil for no simulation
	spread float64
	slo    serving.SLO
}

// simulates reports whether the rows of the grid are simulated.
func (g *Grid) simulates() bool { return g.varies("simulate") || g.Fixed["simulate"] != "" }

// checkSimulated returns an error for a grid that asks for results of a simulation but simulates
// nothing.
func (g *Grid) checkSimulated() error {
	if g.simulates() {
		return nil
	}
	for _, n := range []string{"spread", "slo_ttft", "slo_tpot"} {
		if g.varies(n) || g.Fixed[n] != "" {
			return fmt.Errorf("%s is of a simulated load: name an engine, as in simulate=%s", n, serving.DefaultEngine)
		}
	}
	for _, c := range g.Where {
		if !c.fits && simulated(c.figure) {
			return fmt.Errorf("where %s: name an engine to simulate, as in simulate=%s", c, serving.DefaultEngine)
		}
	}
	return nil
}

func readEngine(value string) (set, error) {
	e, err := serving.EngineNamed(value)
	if err != nil {
		return nil, err
	}
	return func(p *point) { p.ask.engine = e }, nil
}

// plainNumber returns a reader of numbers from least to most.
func plainNumber(least, most float64, to func(*point, float64)) func(string) (set, error) {
	return func(value string) (set, error) {
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || !(v >= least && v <= most) {
			return nil, fmt.Errorf("%s: must be from %g to %g", value, least, most)
		}
		return func(p *point) { to(p, v) }, nil
	}
}

// shown lists the parameters that have a column even where they are fixed.
var shown = []string{"model", "on", "prompt", "generate", "batch", "fidelity"}

// ParamNames lists the names of the parameters that can vary, sorted.
func ParamNames() []string {
	var names []string
	for _, p := range parameters {
		names = append(names, p.name)
	}
	sort.Strings(names)
	return names
}

// Parameter describes a parameter that a grid can vary or fix.
type Parameter struct {
	Name    string
	Aliases []string
	Default string // where a grid says nothing; "" for the model's or device's own
	Doc     string // what the parameter is, or what may be written for it, in a few words
}

// Parameters describes all parameters, in the order in which lists of values become axes.
func Parameters() []Parameter {
	out := make([]Parameter, len(parameters))
	for i, p := range parameters {
		out[i] = Parameter{p.name, slices.Clone(p.aliases), p.initial, p.doc}
	}
	return out
}

// Lists names the parameters for which a comma-separated list may be given anywhere, in the order
// in which such lists become axes.
func Lists() []string { return []string{"model", "on"} }

// parameterOf finds a parameter by any of its spellings; - and _ mean the same.
func parameterOf(name string) (*parameter, error) {
	name = strings.ReplaceAll(name, "-", "_")
	for i := range parameters {
		if p := &parameters[i]; p.name == name || slices.Contains(p.aliases, name) {
			return p, nil
		}
	}
	near, least := "", 3
	for _, n := range ParamNames() {
		if d := spell.Distance(strings.ToLower(name), n); d < least && d < len(n) {
			near, least = n, d
		}
	}
	if near != "" {
		return nil, fmt.Errorf("unknown parameter %q: did you mean %s?", name, near)
	}
	return nil, fmt.Errorf("unknown parameter %q (know %s)", name, strings.Join(ParamNames(), ", "))
}

// naming adds the parameter's name to an error that does not have it.
func (p *parameter) naming(verb string, err error) error {
	if s := err.Error(); strings.HasPrefix(s, p.name+" ") || strings.HasPrefix(s, p.name+":") || p.name == "model" || p.name == "on" {
		return err
	}
	return fmt.Errorf("%s%s: %w", verb, p.name, err)
}

// canonical writes a value in the only form that files of rows have: 2k becomes 2000.
func (p *parameter) canonical(value string) (string, error) {
	if value == "" {
		return "", fmt.Errorf("an empty value")
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return "", fmt.Errorf("%q has a line break or control character in it", value)
	}
	if p.kind == text || p.name == "batch" && value == "max" {
		return value, nil
	}
	v, err := units.ParseNumber(value)
	if err != nil {
		return "", err
	}
	return formatNumber(v, p.kind == whole, value)
}

// option returns a reader for a model parameter, which is an option of families.
func option(name string) func(string) (set, error) {
	return func(value string) (set, error) {
		if err := new(family.Options).Set(name, value); err != nil {
			return nil, err
		}
		return func(p *point) { p.changes = append(p.changes, change{name, value}) }, nil
	}
}

// named returns a reader of values from a fixed list of names.
func named[T any](parse func(string) (T, error), to func(*point, T)) func(string) (set, error) {
	return func(value string) (set, error) {
		v, err := parse(value)
		if err != nil {
			return nil, err
		}
		return func(p *point) { to(p, v) }, nil
	}
}

// tokens returns a reader of a number of the workload. The word max, which only a batch may be,
// is read as 0.
func tokens(to func(*costmodel.Workload, int)) func(string) (set, error) {
	return func(value string) (set, error) {
		if value == "max" {
			return func(p *point) { to(&p.load, 0) }, nil
		}
		n, err := strconv.Atoi(value)
		if err != nil {
			return nil, fmt.Errorf("%s is out of range", value)
		}
		w := costmodel.Workload{Prompt: 1, Generate: 1, Batch: 1}
		to(&w, n)
		if err := w.Check(); err != nil {
			return nil, err
		}
		return func(p *point) { to(&p.load, n) }, nil
	}
}

// readRanks returns a reader of the number of devices that share the work in one of the possible
// ways.
func readRanks(name string, to func(*costmodel.Options, int)) func(string) (set, error) {
	return func(value string) (set, error) {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s %s: must be 1 or more", name, value)
		}
		return func(p *point) { to(&p.options, n) }, nil
	}
}

func readFraction(value string) (set, error) {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || !(v > 0 && v <= 1) {
		return nil, fmt.Errorf("memory_fraction %s: must be above 0 and at most 1", value)
	}
	return func(p *point) { p.options.MemoryFraction = v }, nil
}

func readDevice(value string) (set, error) {
	hw, err := hardware.Open(value)
	if err != nil {
		return nil, err
	}
	return func(p *point) { p.device = hw }, nil
}

func readModel(value string) (set, error) {
	d, err := openDesign(value)
	if err != nil {
		return nil, err
	}
	return func(p *point) { p.model = d }, nil
}
