package serving

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

// Deployment is an engine that runs a model on a device: its limits, the prices of its steps, and
// what a reader should know about both.
type Deployment struct {
	Limits  *Limits
	Profile *Profile
	Price   func() Pricer
	Notes   []string // what the engine would say about its settings, or refuse to do

	// How the number of cache blocks comes about, in bytes of one device.
	DeviceBytes, WeightBytes, PeakBytes, OverheadBytes, StateBytes, CacheBytes float64
	Predicted                                                                  bool // whether the number of blocks was predicted and not given

	hands    []*costmodel.Compiled // the compiled models that keep caches: the model, and a draft model
	link     float64               // bytes a second that a device sends
	hardware string
	drafts   string // what drafts tokens
}

// CacheOf lists what the layers of a compiled model keep in the cache of one device.
func CacheOf(c *costmodel.Compiled) []CacheLayers {
	var out []CacheLayers
	state := CacheLayers{Kind: StateCache}
	bytes, scans := 0.0, 0
	for _, g := range c.DecodeOps() {
		w := g.Op.Work(costmodel.Call{Batch: 1, New: 1})
		if n := w.Bytes[costmodel.CacheWrite]; n > 0 {
			l := CacheLayers{Kind: FullCache, Layers: g.Count, PerToken: n}
			if g.Shape.Window > 0 {
				l.Kind, l.Window = WindowCache, g.Shape.Window
			}
			merged := false
			for i := range out {
				if out[i].Kind == l.Kind && out[i].Window == l.Window && out[i].PerToken == l.PerToken {
					out[i].Layers += l.Layers
					merged = true
				}
			}
			if !merged {
				out = append(out, l)
			}
		}
		if n := w.Bytes[costmodel.StateRead]; n > 0 {
			bytes += float64(g.Count) * n
			if g.Kernel.Class() == costmodel.Scan {
				scans += g.Count
			}
		}
	}
	if bytes > 0 {
		state.Layers = max(scans, 1)
		state.State = bytes / float64(state.Layers)
		out = append(out, state)
	}
	return out
}

// activations returns the most bytes that an operation reads and writes for one prompt token.
func activations(c *costmodel.Compiled) float64 {
	most := 0.0
	for _, g := range c.DecodeOps() {
		if k := g.Kernel.Class(); k == costmodel.Lookup || g.Kernel == costmodel.Head || k == costmodel.Collective {
			continue
		}
		a := g.Op.Work(costmodel.Call{Batch: 1, New: 2})
		b := g.Op.Work(costmodel.Call{Batch: 1, New: 1})
		most = max(most, a.Bytes[costmodel.ActRead]+a.Bytes[costmodel.ActWrite]-b.Bytes[costmodel.ActRead]-b.Bytes[costmodel.ActWrite])
	}
	return most
}

// profilePeak is how many bytes of activations are alive at the peak of an engine's profile run,
// as a multiple of those of the largest operation: the residual stream and a second buffer come
// on top. With this value and the overheads in engines.yaml, the numbers of blocks that vLLM 0.15
// logs on H100 (Llama-2-7B, CodeLlama-34B and Mixtral on two) come out within 1 %.
const profilePeak = 1.3

// Deploy sets up an engine for a compiled model.
func Deploy(p *Profile, c *costmodel.Compiled, f costmodel.Fidelity, s Settings) (*Deployment, error) {
	if err := p.splits(c); err != nil {
		return nil, err
	}
	f = c.Fidelity(f)
	d := &Deployment{Profile: p}
	tp := c.TP()
	device, known := engineTable().Devices[c.Hardware.Name]
	d.DeviceBytes = c.Hardware.MemoryCapacity.Value
	if known {
		d.DeviceBytes = device.Value
	}
	big := d.DeviceBytes >= 70<<30 && c.Hardware.Name != "a100-80gb"
	pick := func(s *Setting[int]) int {
		if big && s.Big != nil {
			return *s.Big
		}
		return s.Value
	}
	d.handing(c, s.Speculation)
	l := &Limits{Engine: p.Name, Policy: p.Policy.Value}
	d.Limits = l
	modelLen := c.Model.MaxContext
	l.MaxLen = choose(s.MaxModelLen, modelLen)
	if l.MaxLen < 0 {
		return nil, fmt.Errorf("max_model_len %d: must be positive", l.MaxLen)
	}
	if l.MaxLen > 0 {
		modelLen = l.MaxLen
	}
	l.Chunked = choose(s.ChunkedPrefill, p.Chunked.Value)
	if p.Policy.Value == "prefill-first-whole" && s.ChunkedPrefill == nil && modelLen > 32768 && !declaresWindow(c) {
		l.Chunked = true // engine/arg_utils.py: on without being asked for, for long models without a window
	}
	l.Seqs = choose(s.MaxNumSeqs, pick(p.Seqs))
	budget := pick(p.Budget)
	if p.Budget.ModelLen && !l.Chunked {
		budget = max(budget, modelLen)
	}
	l.Budget = choose(s.MaxNumBatchedTokens, budget)
	l.Threshold = choose(s.LongPrefill, 0)
	for _, x := range []struct {
		name string
		v    int
		low  int
	}{{"max_num_seqs", l.Seqs, 1}, {"max_num_batched_tokens", l.Budget, 1}, {"long_prefill_token_threshold", l.Threshold, 0}} {
		if x.v < x.low {
			return nil, fmt.Errorf("%s %d: must be %d or more", x.name, x.v, x.low)
		}
	}
	if p.PrefillMost != nil {
		l.PromptMost = choose(s.PrefillMost, p.PrefillMost.Value)
	} else if s.PrefillMost != nil {
		return nil, fmt.Errorf("max_prefill_tokens: %s has no such setting, SGLang does", p.Name)
	}
	if s.PrefillMost != nil && *s.PrefillMost < 1 {
		return nil, fmt.Errorf("max_prefill_tokens %d: must be 1 or more", *s.PrefillMost)
	}
	if p.Clip != nil {
		l.Clip = p.Clip.Value
	}
	if p.Ratio != nil {
		l.Ratio = Ratio{p.Ratio.Initial, p.Ratio.Least, p.Ratio.Steps}
	}
	if p.Lookahead != nil {
		l.Lookahead = p.Lookahead.Value
	}
	l.Lookahead = choose(s.Lookahead, l.Lookahead)
	l.ReserveFull = p.ReserveFull != nil && p.ReserveFull.Value
	if p.MixedChunk != nil {
		l.MixedChunk = choose(s.MixedChunk, p.MixedChunk.Value)
	} else if s.MixedChunk != nil {
		return nil, fmt.Errorf("enable_mixed_chunk: %s has no such setting, SGLang does", p.Name)
	}
	if l.MixedChunk && !l.Chunked {
		return nil, fmt.Errorf("enable_mixed_chunk: prompts are computed whole (chunked prefill is off), so that no chunk can be mixed with decodes")
	}
	l.PrefixCache = choose(s.PrefixCaching, p.PrefixCaching.Value)
	if f == costmodel.Calibrated || s.Host != nil {
		l.Host = choose(s.Host, *p.Host)
	}
	g := p.Graphs
	most := g.Max
	if g.TPMax > 0 && tp >= 4 {
		most = g.TPMax
	}
	if g.Value == "v1" {
		most = min(most, 2*l.Seqs)
	}
	l.Graphs = Graphs{Sizes: graphSizes(g.Value, most), MaxContext: g.Context, Mixed: g.Mixed, Exact: g.Exact, None: s.Eager}
	if len(s.Captured) > 0 {
		l.Graphs.Sizes = slices.Sorted(slices.Values(s.Captured))
	}
	if s.PadGraphs != nil {
		l.Graphs.Exact = !*s.PadGraphs
	}

	block := choose(s.BlockSize, p.Block.Value)
	if block < 1 {
		return nil, fmt.Errorf("block size %d: must be 1 or more", block)
	}
	d.share(c)
	if err := d.together(c, s.Speculation); err != nil {
		return nil, err
	}
	states := false
	for _, x := range CacheOf(c) {
		states = states || x.Kind == StateCache
	}
	if err := d.place(c, block, s); err != nil {
		return nil, err
	}
	if s.StatesCached && (!states || p.Layout.Value != "unified") {
		return nil, fmt.Errorf("mamba_cache_mode all: %s, and only vLLM's V1 caches states with prefixes", map[bool]string{true: p.Name + " has no such setting", false: c.Model.Name + " has no recurrent states"}[states])
	}
	if states && l.PrefixCache && !s.StatesCached {
		l.PrefixCache = false
		d.Notes = append(d.Notes, "No prefix cache is kept for models with recurrent states; vLLM keeps one when asked for it (--mamba-cache-mode all).")
	}
	if d.ownCache(c) {
		d.Notes = append(d.Notes, "TensorRT-LLM usually keeps the cache of fp8 checkpoints in fp8 (kv_cache_quant_algo of hf_quant_config.json); the cache simulated is of 16 bits: ask for an fp8 cache to have the other.")
	}
	w := l.Layout
	if states && w.StateBytes == 0 && l.Blocks > 0 { // each sequence needs pages of its own for its states
		perSeq := 0
		for _, g := range w.Groups {
			if g.Kind == StateCache {
				perSeq += 1 + w.states
			}
		}
		if rows := l.Blocks / max(perSeq, 1); l.Seqs > rows {
			if s.MaxNumSeqs != nil {
				return nil, fmt.Errorf("max_num_seqs %d exceeds the %d sequences whose states fit in the cache: the engine refuses to start; lower max_num_seqs", l.Seqs, rows)
			}
			d.Notes = append(d.Notes, fmt.Sprintf("The engine's default of %d sequences exceeds the %d whose states fit, and it would refuse to start: simulated with %d.", l.Seqs, rows, rows))
			l.Seqs = rows
		}
	}
	share := 0.0
	if p.Watermark != nil {
		share = p.Watermark.Value
	}
	l.Watermark = int(choose(s.Watermark, share) * float64(l.Blocks))
	if err := l.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Model.Name, err)
	}
	var err error
	d.Price, l.Kernels, err = pricerOf(c, f, s.Speculation)
	return d, err
}

// place lays out the cache and counts its blocks on the pipeline stage that has room for the
// fewest sequences, since every sequence needs room on all stages.
func (d *Deployment) place(c *costmodel.Compiled, block int, s Settings) error {
	var best *Deployment
	fewest := math.Inf(1)
	for _, stage := range c.Stages() {
		at, limits := *d, *d.Limits
		at.Limits = &limits
		if err := at.layOut(stage, block, s); err != nil {
			return err
		}
		if err := at.memory(stage, s); err != nil {
			return err
		}
		if limits.Virtual {
			limits.Blocks /= limits.Stages
		}
		// Count how many sequences of a length of some thousand tokens fit.
		fit := math.MaxFloat64
		if n := limits.Layout.Need(8192); n > 0 {
			fit = float64(limits.Blocks) / float64(n)
		}
		if fit < fewest {
			best, fewest = &at, fit
		}
	}
	limits := d.Limits
	*limits = *best.Limits
	*d = *best
	d.Limits = limits
	return nil
}

// layOut divides the cache of one pipeline stage into blocks.
func (d *Deployment) layOut(c *costmodel.Compiled, block int, s Settings) (err error) {
	p, l, layers := d.Profile, d.Limits, CacheOf(c)
	if p.Layout.Value == "unified" && !s.StoreFull {
		l.Layout, err = unified(layers, block, l.Budget, s.StatesCached)
	} else if p.Layout.Value == "unified" {
		full := make([]CacheLayers, len(layers))
		copy(full, layers)
		for i := range full {
			if full[i].Kind == WindowCache {
				full[i].Kind, full[i].Window = FullCache, 0
			}
		}
		l.Layout, err = unified(mergeLayers(full), block, l.Budget, s.StatesCached)
	} else {
		share := 0.0
		if p.WindowShare != nil && !s.StoreFull {
			share = p.WindowShare.Value
		}
		l.Layout, l.Side = Pools(layers, block, share)
	}
	if err == nil {
		err = d.speculate(c, s.Speculation)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return nil
}

// ownCache reports whether the engine would probably store the cache in another format than is
// simulated: in fp8, like the checkpoint's weights, where no format was given.
func (d *Deployment) ownCache(c *costmodel.Compiled) bool {
	return strings.HasPrefix(d.Profile.Name, "trtllm") && c.Options.Weights == formats.Of(precision.FP8) && c.Options.KV == precision.Unset
}

// mergeLayers adds up layers that keep the same.
func mergeLayers(in []CacheLayers) (out []CacheLayers) {
next:
	for _, l := range in {
		for i := range out {
			if o := &out[i]; o.Kind == l.Kind && o.Window == l.Window && o.PerToken == l.PerToken && o.State == l.State {
				o.Layers += l.Layers
				continue next
			}
		}
		out = append(out, l)
	}
	return out
}

// declaresWindow reports whether an attention layer of the model has a window, or declares one.
func declaresWindow(c *costmodel.Compiled) bool {
	for _, g := range c.DecodeOps() {
		if g.Kernel.Class() == costmodel.Attn && g.Shape.Windowed {
			return true
		}
	}
	return false
}

// memory predicts the number of blocks in the way the engine finds it: from what its share of the
// device's memory leaves besides weights, the activations of its profile run and what other
// programs hold.
//
//	blocks = ⌊(device · utilization − weights − peak − overhead − state pool) / block⌋
func (d *Deployment) memory(c *costmodel.Compiled, s Settings) error {
	p, l := d.Profile, d.Limits
	if s.KVBlocks != nil {
		if *s.KVBlocks < 1 {
			return fmt.Errorf("kv blocks %d: must be 1 or more", *s.KVBlocks)
		}
		l.Blocks = *s.KVBlocks
		d.CacheBytes = float64(l.Blocks) * l.Layout.BlockBytes
		d.sides()
		return nil
	}
	d.Predicted = true
	u := choose(s.MemoryUtilization, p.Utilization.Value)
	if !(u > 0 && u <= 1) {
		return fmt.Errorf("gpu memory utilization %g: must be above 0 and at most 1", u)
	}
	d.WeightBytes = c.Memory(costmodel.Workload{Batch: 1, Prompt: 1, Generate: 1}).WeightsBytes
	if x := s.Speculation; x != nil && x.Tokens > 0 {
		d.WeightBytes += x.Draft.Weights
	}
	logits := 4 * float64(c.Model.Vocab) * float64(l.Seqs*l.ahead())
	rows := float64(min(l.Budget, 1<<22))
	d.PeakBytes = profilePeak*activations(c)*rows + 2*logits
	d.OverheadBytes = p.Overhead.Value
	if c.TP() > 1 && p.Overhead.TP != nil {
		d.OverheadBytes = *p.Overhead.TP
	}
	d.StateBytes = l.Layout.StateBytes * float64(l.Seqs)
	if l.Virtual {
		d.StateBytes *= float64(l.Stages)
	}
	if p.StateShare != nil && d.StateBytes > 0 {
		if err := d.statePool(u*d.DeviceBytes-d.WeightBytes-d.PeakBytes-d.OverheadBytes, s); err != nil {
			return err
		}
	}
	rest := d.WeightBytes + d.PeakBytes + d.OverheadBytes + d.StateBytes
	if p.Utilization.OfFree {
		d.CacheBytes = u * (d.DeviceBytes - rest)
	} else {
		d.CacheBytes = u*d.DeviceBytes - rest
	}
	l.Blocks = l.Layout.Blocks(d.CacheBytes)
	d.sides()
	if l.Blocks < 1 && len(l.Layout.Groups) > 0 {
		fewer := ""
		if d.StateBytes > 0 {
			fewer = fmt.Sprintf(", fewer sequences at once than %d (max_num_seqs)", l.Seqs)
		}
		return fmt.Errorf("%s on %s: no room for a cache: %.4g GB of %.4g GB go to weights (%.4g), activations of the profile run (%.4g), states (%.4g) and overheads; more devices, smaller weights%s or a smaller max_num_batched_tokens leave some",
			c.Model.Name, c.Hardware.Name, rest/1e9, u*d.DeviceBytes/1e9, d.WeightBytes/1e9, d.PeakBytes/1e9, d.StateBytes/1e9, fewer)
	}
	if len(l.Layout.Groups) == 0 {
		l.Blocks = math.MaxInt32
	}
	return nil
}
