package advise

import (
	"fmt"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/internal/ceil"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/units"
)

// Limits that the card gives, and thresholds chosen for ridgeline.
const (
	cardBatch    = 8
	shortAnswer  = 512
	pays         = 1.05
	dominates    = 0.5 // share of a step from which one cause dominates it
	longestTried = 1 << 20
)

func (a *advisor) fits(v *Advice) error {
	m := a.e.Memory
	v.found(Fine, m.TotalBytes, "B", "%s of %s in use, batch %d of at most %d", units.SI(m.TotalBytes, "B"), units.SI(m.CapacityBytes, "B"), a.now.load.Batch, m.MaxBatch)
	if m.Fits {
		return nil
	}
	v.found(Warning, m.MissingBytes, "B", "batch %d lacks %s; the largest that fits is %d", a.now.load.Batch, units.SI(m.MissingBytes, "B"), m.MaxBatch)
	v.Change = fmt.Sprintf("run %d sequences at once", m.MaxBatch)
	if m.MaxBatch == 0 {
		v.Change = "not even one sequence fits: fewer bytes a weight, more devices or a shorter request"
		return nil
	}
	v.Flags = []string{"--batch", strconv.Itoa(m.MaxBatch)}
	return nil
}

// batchWeights recommends a batch at which reading weights no longer takes most of a step.
func (a *advisor) batchWeights(v *Advice) error {
	share := a.share[costmodel.BoundWeights]
	b := a.now.load.Batch
	v.found(Fine, 100*share, "%", "weight reads take %.0f %% of a step at batch %d", 100*share, b)
	room := a.e.Memory.MaxBatch
	if share < dominates || b >= room {
		return nil
	}
	at := costmodel.LengthFrom(room, func(n int) bool { return a.weightShare(n) < dominates })
	why := "where weights stop being most of a step"
	if at == 0 {
		at, why = room, "as many as fit"
	}
	to := a.now
	to.load.Batch = at
	v.Severity = Note
	v.Change = fmt.Sprintf("run %d sequences at once, %s; each waits longer for a token", at, why)
	if at > cardBatch {
		v.Change += fmt.Sprintf(" (the card's 1–%d is for memory, and %d fit)", cardBatch, room)
	}
	if !a.promise(v, to, []string{"--batch", strconv.Itoa(at)}, TokensPerSecond) {
		v.Severity, v.Change = Fine, ""
	}
	return nil
}

// weightShare returns the share of a mean step at roofline that reading weights takes with a
// given batch.
func (a *advisor) weightShare(batch int) float64 {
	w := a.now.load
	w.Batch = batch
	weights, sum := 0.0, 0.0
	for _, o := range a.c.At(costmodel.Roofline).Ops(w) {
		sum += o.Seconds
		if o.Bound == costmodel.BoundWeights {
			weights += o.Seconds
		}
	}
	return weights / sum
}

// batchCache says from which batch on a larger one no longer helps.
func (a *advisor) batchCache(v *Advice) error {
	share, b := a.share[costmodel.BoundCache], a.now.load.Batch
	v.found(Fine, 100*share, "%", "cache reads take %.0f %% of a step at batch %d", 100*share, b)
	if share < dominates {
		return nil
	}
	to := a.now
	to.load.Batch = 2 * b
	g, err := a.gain(to, TokensPerSecond)
	if err != nil {
		return err
	}
	v.Severity = Note
	v.Change = fmt.Sprintf("twice as many sequences make only %s the tokens per second, and each gets its tokens more slowly: reduce cache reads first", units.Ratio(g.Factor))
	return nil
}

func (a *advisor) generationLength(v *Advice) error {
	w := a.now.load
	if crossFrom(a.now.model) == 0 && lastRecurrent(a.now.model) < 0 {
		v.found(Fine, float64(w.Generate), "tokens", "a Transformer: nothing to gain or lose by length")
		return nil
	}
	if a.against == nil {
		v.found(Fine, float64(w.Generate), "tokens", "no Transformer of its shape runs here: name one to compare with")
		return nil
	}
	speedup := func(generate int) float64 {
		seconds := func(c *costmodel.Compiled) float64 {
			load := costmodel.Workload{Batch: w.Batch, Prompt: w.Prompt, Generate: generate}
			return c.At(a.f).Prefill(load) + c.At(a.f).Generation(load)
		}
		return seconds(a.against) / seconds(a.c)
	}
	now := speedup(w.Generate)
	even := costmodel.LengthFrom(longestTried, func(n int) bool { return speedup(n) >= pays })
	from := "at no length up to 1Mi tokens"
	if even > 0 {
		from = fmt.Sprintf("from %s generated on", tokens(even))
	}
	v.found(Fine, float64(even), "tokens", "a request of %s is %s as fast as %s; 5 %% faster %s", tokens(w.Generate), units.Ratio(now), a.against.Model.Name, from)
	switch {
	case now < pays:
		v.Severity = Warning
		v.Change = "at this length and batch the layout gains nothing here: generate longer, batch more, or keep the simpler model"
	case w.Generate < shortAnswer:
		v.Severity = Note
		v.Change = "the card would skip it below 512 tokens; the figure says otherwise"
	}
	return nil
}

func tokens(n int) string {
	if n == 1 {
		return "1 token"
	}
	return units.Int(float64(n)) + " tokens"
}

func lastRecurrent(m *arch.Model) int {
	last := -1
	for i, l := range m.Layers {
		if arch.Recurrent(l.Mixer) {
			last = i
		}
	}
	return last
}

// kernels finds settings in which the engine reads or computes more than the architecture
// requires.
func (a *advisor) kernels(v *Advice) error {
	o := a.now.deploy
	v.found(Fine, a.e.Memory.CacheReadBytesPerToken, "B", "%s B of cache read per token of context", units.Int(a.e.Memory.CacheReadBytesPerToken))
	lean := a.now
	lean.deploy.KVRead, lean.deploy.Diff, lean.deploy.Prefill = execution.Packed, execution.Fused, execution.Skip
	var flags []string
	if o.KVRead != execution.Packed {
		flags = append(flags, "--kv-read", execution.Packed.String())
	}
	if o.Diff != execution.Fused {
		flags = append(flags, "--diff-kernel", execution.Fused.String())
	}
	if o.Prefill != execution.Skip {
		flags = append(flags, "--prefill", execution.Skip.String())
	}
	if len(flags) > 0 && a.promise(v, lean, flags, TPOT, TTFT, Request) {
		v.Severity = Warning
		v.Change = "use kernels that read each cache row once and an engine that skips the cross-decoder over the prompt"
	}
	return nil
}

// cheaper lists smaller formats to try, the one that changes least first.
func cheaper() []precision.DType { return []precision.DType{precision.BF16, precision.FP8} }

// lowered tries a format that takes fewer bytes; held returns the bytes that the format should
// reduce.
func (a *advisor) lowered(v *Advice, flag, what string, set func(*costmodel.Options, precision.DType), held func(costmodel.Memory) float64) error {
	now := held(a.e.Memory)
	v.found(Fine, now, "B", "%s %s", units.SI(now, "B"), what)
	if now == 0 {
		return nil
	}
	for _, d := range cheaper() {
		to := a.now
		set(&to.deploy, d)
		c, err := costmodel.Compile(to.model, a.hw, to.deploy)
		if err != nil {
			continue
		}
		if held(c.Memory(to.load)) >= now {
			continue
		}
		if a.promise(v, to, []string{"--" + flag, d.String()}, TPOT, MaxBatch) {
			v.Severity = Note
			v.Change = fmt.Sprintf("store it as %s, if accuracy allows: check it on your own tasks", d)
		}
		return nil
	}
	return nil
}

func (a *advisor) kvPrecision(v *Advice) error {
	return a.lowered(v, "kv", "of cache read per token of context", func(o *costmodel.Options, d precision.DType) { o.KV = d },
		func(m costmodel.Memory) float64 { return m.CacheReadBytesPerToken })
}

func (a *advisor) statePrecision(v *Advice) error {
	return a.lowered(v, "state", "of recurrent state a sequence", func(o *costmodel.Options, d precision.DType) { o.State = d },
		func(m costmodel.Memory) float64 { return m.StateBytesPerSequence })
}

// ranks lists the usual sizes of tensor-parallel groups.
func ranks() []int { return []int{2, 4, 8} }

func (a *advisor) tensorParallel(v *Advice) error {
	group := a.now // one of the groups there are, with all layers and experts
	group.deploy.PP, group.deploy.EP, group.deploy.DP, group.deploy.Microbatches, group.deploy.Skew = 0, 0, 0, 0, 0
	one := group
	one.deploy.TP = 1
	whole, err := costmodel.Compile(one.model, a.hw, one.deploy)
	if err != nil {
		return err
	}
	stored := whole.Memory(costmodel.Workload{Batch: 1, Prompt: 1, Generate: 1}).CacheBytesPerToken
	if stored == 0 {
		stored = whole.Memory(costmodel.Workload{Batch: 1, Prompt: 1, Generate: 1}).WindowCacheBytesPerSequence
	}
	waste := func(c *costmodel.Compiled) float64 {
		m := c.Memory(costmodel.Workload{Batch: 1, Prompt: 1, Generate: 1})
		s := m.CacheBytesPerToken
		if s == 0 {
			s = m.WindowCacheBytesPerSequence
		}
		if stored == 0 {
			return 1
		}
		return s * float64(c.TP()) / stored
	}
	if tp := a.c.TP(); tp > 1 {
		c, err := costmodel.Compile(group.model, a.hw, group.deploy)
		if err != nil {
			return err
		}
		w := waste(c)
		v.found(Fine, w, "×", "on %d devices the cache is stored %s", tp, units.Ratio(w))
		if w <= 1+1e-9 {
			return nil
		}
		v.Severity = Warning
		for _, t := range []int{8, 4, 2, 1} {
			to := a.now
			to.deploy.TP, group.deploy.TP = t, t
			if t >= tp {
				continue
			}
			if _, err := costmodel.Compile(to.model, a.hw, to.deploy); err != nil {
				continue
			}
			c, err := costmodel.Compile(group.model, a.hw, group.deploy)
			if err != nil || waste(c) > 1+1e-9 {
				continue
			}
			v.Change = fmt.Sprintf("run groups of %d devices and more of them: %d ranks share too few kv heads", t, tp)
			a.promise(v, to, []string{"--tp", strconv.Itoa(t)}, PerDevice)
			return nil
		}
		return nil
	}
	v.found(Fine, 1, "×", "splits over 2, 4 and 8 devices without waste")
	for _, t := range ranks() {
		to := group
		to.deploy.TP = t
		shared := *a.hw
		if shared.LinkBandwidth.Value == 0 { // without links, the rule only asks whether the model can be split
			shared.LinkBandwidth.Value = 1
		}
		if shared.MaxLinked.Value > 0 {
			shared.MaxLinked.Value = max(shared.MaxLinked.Value, float64(t))
		}
		c, err := costmodel.Compile(to.model, &shared, to.deploy)
		if err == nil && waste(c) <= 1+1e-9 {
			continue
		}
		v.Severity, v.Unit, v.Value = Note, "count", float64(t)
		v.Change = "a number of kv heads (pairs of them, where attention is differential) that is a multiple of the ranks splits further"
		if err != nil {
			v.Measured = fmt.Sprintf("it does not split over %d devices: %v", t, err)
		} else {
			v.Measured = fmt.Sprintf("on %d devices it stores its cache %s", t, units.Ratio(waste(c)))
		}
		return nil
	}
	return nil
}

// headDim finds head dimensions for which kernels must pad.
func (a *advisor) headDim(v *Advice) error {
	const multiple = 32
	x, ok := pattern(a.now.model)
	if !ok {
		v.found(Fine, 0, "count", "no attention")
		return nil
	}
	padded := ceil.Div(x.HeadDim, multiple) * multiple
	v.found(Fine, float64(x.HeadDim), "count", "head dim %d", x.HeadDim)
	if padded == x.HeadDim {
		return nil
	}
	v.Severity = Note
	v.Measured += fmt.Sprintf(" runs as %d: %.0f %% of the lanes are padding", padded, 100*(1-float64(x.HeadDim)/float64(padded)))
	v.Change = fmt.Sprintf("a head dim of %d holds more for the same kernel time", padded)
	return nil
}

// change is a single change that the rule binds tries.
type change struct {
	says  string
	to    design
	flags []string
}

// binds says what a step spends its time on, and which single change helps most at the same
// batch.
func (a *advisor) binds(v *Advice) error {
	most := costmodel.Bound(0)
	for _, b := range costmodel.Bounds() {
		if a.share[b] > a.share[most] {
			most = b
		}
	}
	v.found(Note, 100*a.share[most], "%", "%s take %.0f %% of a step at roofline; %s", noun(most), 100*a.share[most], a.launches())
	var best change
	var gain Gain
	for _, c := range a.changes() {
		g, err := a.gain(c.to, PerDevice)
		if err == nil && g.Factor > gain.Factor {
			best, gain = c, g
		}
	}
	if gain.Factor >= worthwhile {
		v.Change = best.says + " is the single change that gains most per device at this batch"
		a.promise(v, best.to, best.flags, PerDevice, TPOT)
	}
	return nil
}

// launches says how many operations a step consists of, and up to which time per launch the
// launches do not limit the step.
func (a *advisor) launches() string {
	n := 0
	for _, g := range a.c.DecodeOps() {
		n += g.Count
	}
	if call := a.hw.CallSeconds.Value; call > 0 {
		return fmt.Sprintf("%s operations cost %s of calls beside %s", units.Int(float64(n)), units.SI(float64(n)*call, "s"), units.SI(a.e.TPOT(), "s"))
	}
	return fmt.Sprintf("%s operations, so launches bind only past %s each", units.Int(float64(n)), units.SI(a.e.TPOT()/float64(n), "s"))
}

// changes lists the single changes to try at the same batch.
func (a *advisor) changes() []change {
	var cs []change
	add := func(says string, flags []string, edit func(*design) bool) {
		to := a.now
		if edit(&to) {
			cs = append(cs, change{says, to, flags})
		}
	}
	lower := func(flag string, d precision.DType, set func(*costmodel.Options)) {
		add(fmt.Sprintf("--%s %s", flag, d), []string{"--" + flag, d.String()}, func(t *design) bool { set(&t.deploy); return true })
	}
	lower("weights", precision.FP8, func(o *costmodel.Options) { o.Weights = formats.Of(precision.FP8) })
	lower("kv", precision.FP8, func(o *costmodel.Options) { o.KV = precision.FP8 })
	lower("state", precision.FP8, func(o *costmodel.Options) { o.State = precision.FP8 })
	if _, ok := a.hw.Peak[precision.FP8]; ok {
		lower("compute", precision.FP8, func(o *costmodel.Options) { o.Compute = precision.FP8 })
	}
	add("--kv-read packed", []string{"--kv-read", "packed"}, func(t *design) bool { t.deploy.KVRead = execution.Packed; return true })
	add("--diff-kernel fused", []string{"--diff-kernel", "fused"}, func(t *design) bool { t.deploy.Diff = execution.Fused; return true })
	if r, ok := a.now.model.GMURatio(); ok && r < 0.5 {
		add("a GMU for every other cross-attention layer", nil, func(t *design) bool {
			m, err := family.WithGMURatio(t.model, 0.5)
			t.model = m
			return err == nil
		})
	}
	add(fmt.Sprintf("windows of %d", recommendedWindow), nil, func(t *design) bool {
		m, err := family.Adjust(t.model, "window", strconv.Itoa(recommendedWindow))
		t.model = m
		return err == nil
	})
	add("a SambaY layout of the same shapes", nil, func(t *design) bool {
		m, err := hybrid(t.model)
		t.model = m
		return err == nil
	})
	return cs
}
