package advise

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/units"
)

// The values that the sources recommend.
const (
	leastRatio, mostRatio = 0.4, 0.6
	recommendedWindow     = 512
	smallestWindow        = 128 // the smallest window among the paper's families
	recommendedWidth      = 4096
)

func (a *advisor) gmuRatio(v *Advice) error {
	m := a.now.model
	r, ok := m.GMURatio()
	if !ok {
		v.found(Fine, 0, "", "no cross-decoder")
		return nil
	}
	v.found(Fine, 100*r, "%", "%.0f %% of the cross-decoder's mixers are GMUs", 100*r)
	if r >= leastRatio && r <= mostRatio {
		return nil
	}
	half, err := family.WithGMURatio(m, 0.5)
	if err != nil {
		return nil
	}
	v.Severity = Warning
	g, err := a.gain(design{half, a.now.deploy, a.now.load}, TPOT)
	if err != nil {
		return err
	}
	if r > mostRatio {
		v.Change = fmt.Sprintf("put cross-attention back until half remain: a step then takes %s as long, the price of reading the cache in more layers", units.Ratio(1/g.Factor))
	} else {
		v.Change = fmt.Sprintf("make every other cross-attention layer a GMU: a step then takes %s as long", units.Ratio(1/g.Factor))
		a.promise(v, design{half, a.now.deploy, a.now.load}, nil, TPOT, Request)
	}
	a.write(v, half)
	v.Model = spec(a.argument, "gmu_ratio", "0.5", half)
	return nil
}

func (a *advisor) alternating(v *Advice) error {
	m := a.now.model
	r, ok := m.GMURatio()
	if !ok || r == 0 || r == 1 {
		v.found(Fine, 0, "", "nothing to alternate")
		return nil
	}
	even, err := family.WithGMURatio(m, r)
	if err != nil {
		return nil
	}
	longest, run, kind := 0, 0, ""
	for _, n := range m.LayerNames()[crossFrom(m):] {
		if n != kind {
			run, kind = 0, n
		}
		run++
		longest = max(longest, run)
	}
	v.found(Fine, float64(longest), "count", "at most %d of a kind in a row", longest)
	if slices.Equal(even.LayerNames(), m.LayerNames()) {
		return nil
	}
	v.Severity = Warning
	v.Change = "spread GMUs and cross-attention evenly; it costs nothing"
	a.write(v, even)
	return nil
}

// lastScan returns the last recurrent layer before the cross-decoder, −1 where there is none.
func lastScan(m *arch.Model) int {
	for i := crossFrom(m) - 1; i >= 0; i-- {
		if arch.Recurrent(m.Layers[i].Mixer) {
			return i
		}
	}
	return -1
}

func (a *advisor) memorySource(v *Advice) error {
	m := a.now.model
	_, us := gmus(m)
	last := lastScan(m)
	if len(us) == 0 {
		v.found(Fine, 0, "", "no GMU")
		return nil
	}
	src, _ := us[0].Memory.Layer()
	g := us[0]
	what := map[arch.MemoryKind]string{arch.ScanMemory: "scan", arch.AttentionMemory: "attention", arch.MLPMemory: "MLP", arch.OutputMemory: "mixer output"}[g.From]
	v.found(Fine, float64(src), "count", "GMUs gate the %s of layer %d", what, src)
	wrong := g.From != arch.ScanMemory || src != last
	for _, u := range us {
		wrong = wrong || u.From != g.From || u.Memory != g.Memory && u.Variant == arch.GatedMemory
	}
	if !wrong || last < 0 {
		return nil
	}
	to := m.Clone()
	d := m.MemoryWidth(last, arch.ScanMemory)
	optional, _ := arch.OwnNorm(to.Layers[last].Mixer)
	to.Layers[last].Mixer = arch.WithOwnNorm(to.Layers[last].Mixer, false)
	layers, _ := gmus(to)
	for _, i := range layers {
		to.Layers[i].Mixer = arch.GMU{Memory: arch.To(last), From: arch.ScanMemory, DMem: d, Normed: optional}
	}
	if to.Check() != nil {
		return nil
	}
	v.Severity = Warning
	if g.From != arch.ScanMemory {
		v.Severity = Note // the paper or the card tried this as a variant; it is no mistake
	}
	v.Change = fmt.Sprintf("gate the scan of layer %d, the last recurrent layer before the cross-decoder", last)
	a.promise(v, design{to, a.now.deploy, a.now.load}, nil, TPOT)
	a.write(v, to)
	return nil
}

func (a *advisor) normed(v *Advice) error {
	m := a.now.model.Clone()
	missing, kept := 0, 0
	layers, units := gmus(m)
	for k, u := range units {
		src, _ := u.Memory.Layer()
		optional, present := arch.OwnNorm(m.Layers[src].Mixer)
		if u.From != arch.ScanMemory || !optional {
			continue
		}
		if !u.Normed {
			missing++
		}
		if present {
			kept++
		}
		u.Normed = true
		m.Layers[layers[k]].Mixer = u
		m.Layers[src].Mixer = arch.WithOwnNorm(m.Layers[src].Mixer, false)
	}
	v.found(Fine, float64(missing), "count", "%d GMUs lack a norm they need", missing)
	if missing+kept == 0 {
		return nil
	}
	v.Severity = Warning
	if missing == 0 {
		v.Measured = "the memory layer norms before its gate, the nGMUs again after theirs"
	}
	v.Change = "norm after the GMU's product and not in the memory layer"
	a.write(v, m)
	return nil
}

func (a *advisor) selfDepth(v *Advice) error {
	m := a.now.model
	from := crossFrom(m)
	if from == 0 {
		v.found(Fine, 0, "", "no cross-decoder")
		return nil
	}
	d := len(m.Layers)
	v.found(Fine, 100*float64(from)/float64(d), "%", "the self-decoder is %d of %d layers", from, d)
	// In the released model, the memory layer and the layer that stores the cache are just beyond
	// the middle.
	if from >= d/2-2 && from <= d/2+2 {
		return nil
	}
	v.Severity = Warning
	if from < d/2 {
		v.Change = "give the self-decoder half of the layers: the sources' results rest on that"
		return nil
	}
	to, err := halve(m)
	if err != nil {
		return nil
	}
	v.Change = "begin the cross-decoder in the middle: fewer layers run over the prompt"
	a.promise(v, design{to, a.now.deploy, a.now.load}, nil, TTFT, Request)
	a.write(v, to)
	return nil
}

func (a *advisor) cacheOwners(v *Advice) error {
	m := a.now.model
	n := len(owners(m))
	v.found(Fine, float64(n), "count", "%d layers store a cache that grows, %s B a token", n, units.Int(a.e.Memory.CacheBytesPerToken))
	if n <= 1 {
		return nil
	}
	v.Severity = Warning
	to, err := hybrid(m)
	v.Change = "lay the model out as a SambaY of its own shapes: half the layers scans and windows, one cache, GMUs and cross-attention"
	if err == nil && a.promise(v, design{to, a.now.deploy, a.now.load}, nil, MaxBatch, TPOT, Request) {
		return nil
	}
	to, err = shareCache(m)
	if err != nil || len(owners(to)) == n {
		v.Change = "keep one full-attention layer and let the others read its cache"
		return nil
	}
	v.Change = fmt.Sprintf("let the full-attention layers of the second half read one cache: %d layers store then", len(owners(to)))
	a.promise(v, design{to, a.now.deploy, a.now.load}, nil, MaxBatch, TPOT, Request)
	a.write(v, to)
	return nil
}

func (a *advisor) window(v *Advice) error {
	m := a.now.model
	least, most := math.MaxInt, 0
	for _, x := range m.Attentions() {
		if x.Window > 0 {
			least, most = min(least, x.Window), max(most, x.Window)
		}
	}
	if most == 0 {
		v.found(Fine, 0, "tokens", "no sliding window")
		return nil
	}
	to, err := family.Adjust(m, "window", strconv.Itoa(recommendedWindow))
	if err != nil {
		return err
	}
	v.found(Fine, float64(most), "tokens", "windows of %s", units.Int(float64(most)))
	if least != most {
		v.Measured = fmt.Sprintf("windows of %s to %s", units.Int(float64(least)), units.Int(float64(most)))
	}
	context := a.now.load.Prompt + a.now.load.Generate
	switch {
	case most >= context:
		v.Severity = Warning
		v.Measured += fmt.Sprintf(" never fill: requests end at %s positions, so they cost what full attention does", units.Int(float64(context)))
	case most > recommendedWindow:
		v.Severity = Note
	case least < smallestWindow:
		v.Severity, v.Value = Warning, float64(least)
		v.Measured += fmt.Sprintf(": below %d, the smallest that the paper trained", smallestWindow)
	case least < recommendedWindow:
		v.Severity, v.Value = Note, float64(least)
	default:
		return nil
	}
	if to.Check() != nil {
		return nil
	}
	g, err := a.gain(design{to, a.now.deploy, a.now.load}, TPOT)
	if err != nil {
		return err
	}
	v.Change = fmt.Sprintf("window %d: a step then takes %s as long", recommendedWindow, units.Ratio(1/g.Factor))
	if most > recommendedWindow {
		a.promise(v, design{to, a.now.deploy, a.now.load}, nil, TPOT, MaxBatch)
	}
	a.write(v, to)
	v.Model = spec(a.argument, "window", fmt.Sprint(recommendedWindow), to)
	return nil
}

func (a *advisor) width(v *Advice) error {
	w := a.now.model.Width
	v.found(Fine, float64(w), "count", "width %s", units.Int(float64(w)))
	if w >= recommendedWidth {
		return nil
	}
	v.Severity = Note
	v.Change = fmt.Sprintf("the card asks for %s to keep capacity; the paper's own 3.8B model is 2,560 wide, so weigh it against cost", units.Int(recommendedWidth))
	return nil
}

// learningRate scales the paper's base learning rate to the depth of the model (table 6):
//
//	η = 4e-4·√(16/d) at 2²¹ tokens a batch
func (a *advisor) learningRate(v *Advice) error {
	const base, depth = 4e-4, 16
	d := len(a.now.model.Layers)
	rate := base * math.Sqrt(depth/float64(d))
	v.found(Fine, rate, "", "%d layers want a rate of %.2e at 2Mi tokens a batch", d, rate)
	if d != depth {
		v.Severity = Note
		v.Change = fmt.Sprintf("do not carry over %.0e, the paper's rate at %d layers; the card divides by depth and width, the paper by √depth alone", base, depth)
	}
	return nil
}

func (a *advisor) latencyApart(v *Advice) error {
	v.found(Note, a.e.TPOT(), "s", "a token takes %s, a request %s", units.SI(a.e.TPOT(), "s"), units.SI(a.e.RequestSeconds, "s"))
	v.Change = "report decode latency beside accuracy, never one in place of the other; measure it on your own engine: the basis of this figure is " + a.e.Basis
	return nil
}

// noun returns the name of what limits a step.
func noun(b costmodel.Bound) string {
	return [...]string{"weight reads", "cache reads", "recurrent states", "activations", "arithmetic", "collectives"}[b]
}
