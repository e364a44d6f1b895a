package serving

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/OWNER/ridgeline/costmodel"
)

// Setting is a default of an engine and the source of its value.
type Setting[T any] struct {
	Value  T      `yaml:"value"`
	Source string `yaml:"source"`

	Big      *T   `yaml:"big"`       // value on GPUs with 70 GiB or more, except A100
	ModelLen bool `yaml:"model_len"` // whether the value is at least the model's longest context
	OfFree   bool `yaml:"of_free"`   // whether the value is a share of the memory that weights leave free, not of all memory
	TP       *T   `yaml:"tp"`        // value on more than one device

	Max     int  `yaml:"max"`     // for graphs: the largest batch
	TPMax   int  `yaml:"tp_max"`  // for graphs: the largest batch on four devices or more
	Context int  `yaml:"context"` // for graphs: the longest context, in tokens
	Mixed   bool `yaml:"mixed"`   // for graphs: whether steps with prompt tokens have graphs too
	Exact   bool `yaml:"exact"`   // for graphs: whether a step is not padded to the next graph
}

func (s *Setting[T]) set() bool { return s != nil && s.Source != "" }

// oneOf reports whether a setting is given and is one of some words.
func (s *Setting[T]) oneOf(words ...T) bool {
	if !s.set() {
		return false
	}
	for _, w := range words {
		if any(w) == any(s.Value) {
			return true
		}
	}
	return false
}

// Profile describes an engine as data. A field that is absent has the value of the engine named
// in Like.
type Profile struct {
	Name  string `yaml:"name"`
	Title string `yaml:"title"`
	Like  string `yaml:"like"`

	Policy        *Setting[string]  `yaml:"policy"`
	Seqs          *Setting[int]     `yaml:"max_num_seqs"`
	Budget        *Setting[int]     `yaml:"max_num_batched_tokens"`
	PrefillMost   *Setting[int]     `yaml:"max_prefill_tokens"`
	Clip          *Setting[int]     `yaml:"clip"`
	Chunked       *Setting[bool]    `yaml:"chunked_prefill"`
	PrefixCaching *Setting[bool]    `yaml:"prefix_caching"`
	Block         *Setting[int]     `yaml:"block_size"`
	Watermark     *Setting[float64] `yaml:"watermark"`
	Utilization   *Setting[float64] `yaml:"memory_utilization"`
	Layout        *Setting[string]  `yaml:"layout"`
	WindowShare   *Setting[float64] `yaml:"window_share"` // positions of a pool for windows, as a share of those of full attention
	StateShare    *Setting[float64] `yaml:"state_share"`  // bytes of a pool of states, as a share of those of the other caches
	StatesEach    *Setting[int]     `yaml:"states_each"`  // states of a sequence in it
	Lookahead     *Setting[bool]    `yaml:"lookahead"`
	ReserveFull   *Setting[bool]    `yaml:"reserve_full_prompt"`
	MixedChunk    *Setting[bool]    `yaml:"mixed_chunk"`
	Graphs        *Setting[string]  `yaml:"graphs"`
	Overhead      *Setting[float64] `yaml:"overhead"`
	// Groups says what limits mean for data-parallel groups: each group has them in full, the
	// groups share them, or there are no groups (none). Balance says whether groups get requests
	// in turn or the least busy group gets the next. Stages says how a pipeline is fed: from one
	// queue, with a part of the sequences or all of them for each microbatch (queue, part, each),
	// or by a scheduler for each stage (virtual).
	Groups  *Setting[string] `yaml:"groups"`
	Balance *Setting[string] `yaml:"balance"`
	Stages  *Setting[string] `yaml:"stages"`
	Ratio   *struct {
		Initial float64 `yaml:"initial"`
		Least   float64 `yaml:"least"`
		Steps   int     `yaml:"steps"`
		Source  string  `yaml:"source"`
	} `yaml:"ratio"`
	Host       *Host  `yaml:"host"`
	HostSource string `yaml:"host_source"`
}

//go:embed engines.yaml
var engineFile []byte

type engineData struct {
	Devices map[string]Setting[float64] `yaml:"devices"`
	Engines []Profile                   `yaml:"engines"`
}

var engineTable = sync.OnceValue(func() *engineData {
	d, err := parseEngines(engineFile)
	if err != nil {
		panic("serving: embedded engines.yaml: " + err.Error())
	}
	return d
})

func parseEngines(data []byte) (*engineData, error) {
	var d engineData
	if err := yaml.UnmarshalWithOptions(data, &d, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s", strings.Join(strings.Fields(yaml.FormatError(err, false, false)), " "))
	}
	for i := range d.Engines {
		e := &d.Engines[i]
		if e.Like == "" {
			continue
		}
		j := slices.IndexFunc(d.Engines[:i], func(p Profile) bool { return p.Name == e.Like })
		if j < 0 {
			return nil, fmt.Errorf("engine %s is like %q, which does not come before it", e.Name, e.Like)
		}
		e.inherit(&d.Engines[j])
	}
	for i := range d.Engines {
		if missing := d.Engines[i].missing(); missing != "" {
			return nil, fmt.Errorf("engine %s has no %s with a source", d.Engines[i].Name, missing)
		}
	}
	return &d, nil
}

func (p *Profile) inherit(o *Profile) {
	inherit(&p.Policy, o.Policy)
	inherit(&p.Seqs, o.Seqs)
	inherit(&p.Budget, o.Budget)
	inherit(&p.PrefillMost, o.PrefillMost)
	inherit(&p.Clip, o.Clip)
	inherit(&p.Chunked, o.Chunked)
	inherit(&p.PrefixCaching, o.PrefixCaching)
	inherit(&p.Block, o.Block)
	inherit(&p.Watermark, o.Watermark)
	inherit(&p.Utilization, o.Utilization)
	inherit(&p.Layout, o.Layout)
	inherit(&p.WindowShare, o.WindowShare)
	inherit(&p.StateShare, o.StateShare)
	inherit(&p.StatesEach, o.StatesEach)
	inherit(&p.Lookahead, o.Lookahead)
	inherit(&p.ReserveFull, o.ReserveFull)
	inherit(&p.MixedChunk, o.MixedChunk)
	inherit(&p.Graphs, o.Graphs)
	inherit(&p.Overhead, o.Overhead)
	inherit(&p.Groups, o.Groups)
	inherit(&p.Balance, o.Balance)
	inherit(&p.Stages, o.Stages)
	inherit(&p.Ratio, o.Ratio)
	if p.Host == nil {
		p.Host, p.HostSource = o.Host, o.HostSource
	}
}

func inherit[T any](p **T, o *T) {
	if *p == nil {
		*p = o
	}
}

func (p *Profile) missing() string {
	switch {
	case !p.Policy.set():
		return "policy"
	case !p.Seqs.set():
		return "max_num_seqs"
	case !p.Budget.set():
		return "max_num_batched_tokens"
	case !p.Chunked.set():
		return "chunked_prefill"
	case !p.PrefixCaching.set():
		return "prefix_caching"
	case !p.Block.set():
		return "block_size"
	case !p.Utilization.set():
		return "memory_utilization"
	case !p.Layout.set():
		return "layout"
	case !p.Graphs.set():
		return "graphs"
	case graphRules[p.Graphs.Value].strides == nil:
		return "rule for graphs that is known"
	case !p.Overhead.set():
		return "overhead"
	case !p.Groups.oneOf("each", "share", "none"):
		return "groups that are each, share or none"
	case !p.Balance.oneOf("turn", "least"):
		return "balance that is turn or least"
	case !p.Stages.oneOf("queue", "part", "each", "virtual"):
		return "stages that are queue, part, each or virtual"
	case p.Host == nil || p.HostSource == "":
		return "host"
	}
	return ""
}

// Engines lists the names of the engines that come with ridgeline. They are read off the file's
// lines: every command's help names them, and to parse the file takes longer than to price a model.
func Engines() (names []string) {
	for line := range bytes.Lines(engineFile) {
		if name, ok := bytes.CutPrefix(line, []byte("- name: ")); ok {
			names = append(names, string(bytes.TrimSpace(name)))
		}
	}
	return names
}

// DefaultEngine is simulated where no engine is named.
const DefaultEngine = "vllm-0.14"

// majors holds the largest first number that versions of each engine have had, so that vllm-9 is
// taken for a mistake and not for the newest engine.
var majors = map[string]int{"vllm": 0, "sglang": 0, "trtllm": 1}

// EngineNamed returns an engine's profile. A version stands for the profile with the nearest
// version that is not later: vllm-0.15.1 for vllm-0.14. A name without a version stands for the
// newest profile. A version whose first number no release has had is an error that lists the
// known engines.
func EngineNamed(name string) (*Profile, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		name = DefaultEngine
	}
	es := engineTable().Engines
	for i := range es {
		if es[i].Name == name {
			p := es[i] // a copy, which the caller may change
			return &p, nil
		}
	}
	base, version, _ := strings.Cut(name, "-")
	want, ok := parseVersion(version)
	if newest, is := majors[base]; is && !(ok && want[0] > newest) {
		var best *Profile
		var bestV []int
		for i := range es {
			b, v, has := strings.Cut(es[i].Name, "-")
			if b != base {
				continue
			}
			if !has && (version == "" || ok) {
				best = &es[i] // over all versions that have no profile of their own
				continue
			}
			pv, isV := parseVersion(v)
			if !isV || version != "" && (!ok || slices.Compare(pv, want) > 0) {
				continue
			}
			if best == nil || bestV == nil || slices.Compare(pv, bestV) > 0 {
				best, bestV = &es[i], pv
			}
		}
		if best != nil {
			p := *best
			return &p, nil
		}
	}
	return nil, fmt.Errorf("engine %q is not one of %s", name, strings.Join(Engines(), ", "))
}

// parseVersion reads the numbers with which a version begins.
func parseVersion(s string) (v []int, ok bool) {
	for _, part := range strings.Split(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		v = append(v, n)
	}
	return v, len(v) > 0
}

// Settings replace an engine's defaults; nil keeps a default. Their names are those of vLLM's
// flags.
type Settings struct {
	MaxNumSeqs          *int
	MaxNumBatchedTokens *int
	LongPrefill         *int // --long-prefill-token-threshold
	MaxModelLen         *int
	BlockSize           *int
	MemoryUtilization   *float64
	PrefixCaching       *bool
	ChunkedPrefill      *bool
	Lookahead           *bool
	MixedChunk          *bool // SGLang's --enable-mixed-chunk
	PrefillMost         *int  // SGLang's --max-prefill-tokens
	Eager               bool  // --enforce-eager
	// Captured are the batches captured as graphs, in place of the engine's own list, and
	// PadGraphs whether a smaller batch runs on the next larger one (TensorRT-LLM's
	// cuda_graph_config: batch_sizes, enable_padding; vLLM's and SGLang's always pad).
	Captured  []int
	PadGraphs *bool
	KVBlocks  *int
	StoreFull bool // --disable-hybrid-kv-cache-manager
	// StatesCached keeps the states at the end of every block, so that prompts of models with
	// recurrent states are found again (--mamba-cache-mode all).
	StatesCached bool
	Watermark    *float64
	Host         *Host
	// Speculation says what drafts tokens for the model to verify; nil stands for nothing.
	Speculation *costmodel.Speculation
}

func choose[T any](set *T, d T) T {
	if set != nil {
		return *set
	}
	return d
}

// graphRules says which batches engines capture as CUDA graphs: single numbers first, and then
// numbers at growing distances.
var graphRules = map[string]struct {
	first   []int
	strides []stride
}{
	// vllm 0.7.3 worker/model_runner.py _BATCH_SIZES_TO_CAPTURE
	"v0": {[]int{1, 2, 4}, []stride{{8, 8, math.MaxInt}}},
	// vllm config/vllm.py _set_cudagraph_sizes
	"v1": {[]int{1, 2, 4}, []stride{{8, 8, 256}, {272, 16, math.MaxInt}}},
	// sglang srt/server_args.py _generate_cuda_graph_batch_sizes
	"sglang": {[]int{1, 2, 4, 8, 12}, []stride{{16, 8, 256}, {272, 16, 511}, {512, 32, math.MaxInt}}},
	// tensorrt_llm/llmapi/llm_args.py CudaGraphConfig._generate_cuda_graph_batch_sizes, without padding
	"trtllm": {nil, []stride{{1, 1, 32}, {64, 64, 128}}},
}

// stride stands for every by-th number from from up to to.
type stride struct{ from, by, to int }

// graphSizes lists the batches that an engine captures, up to most.
func graphSizes(rule string, most int) (out []int) {
	r := graphRules[rule]
	for _, n := range r.first {
		if n <= most {
			out = append(out, n)
		}
	}
	for _, s := range r.strides {
		for n := s.from; n <= min(s.to, most); n += s.by {
			out = append(out, n)
		}
	}
	return out
}
