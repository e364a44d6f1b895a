package costmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// Basis names the basis of matrix products, and in parentheses what else has another: those of one
// basis together, then what was never timed, then whose kernels run the gated delta rule.
func (c *calibrated) Basis() string {
	main := c.profile.Basis(kerneltime.ClassGEMM).String()
	const never = "unmeasured"
	var order []string
	rule := false
	other := map[string][]string{}
	note := func(basis, what string) {
		if _, ok := other[basis]; !ok && basis != never {
			order = append(order, basis)
		}
		if !slices.Contains(other[basis], what) {
			other[basis] = append(other[basis], what)
		}
	}
	for i := range c.of.decode {
		o := &c.of.decode[i].Op
		class, exact := c.measured(o)
		rule = rule || o.Kernel == ScanDelta || o.Kernel == ScanKDA
		switch b := c.profile.Basis(class).String(); {
		case !exact && class == kerneltime.ClassCollective:
			note("measured between two devices, between more by formula", o.Name)
		case !exact:
			note(never, c.unmeasured(o))
		case b != main:
			note(b, className(class))
		}
	}
	var but []string
	for _, basis := range append(order, never) {
		if what := other[basis]; len(what) > 0 {
			but = append(but, strings.Join(what, ", ")+" "+basis)
		}
	}
	if rule {
		library := "FlashInfer"
		if c.of.f.fla {
			library = "flash-linear-attention"
		}
		but = append(but, "delta rule by "+library)
	}
	if len(but) == 0 {
		return main
	}
	return main + " (" + strings.Join(but, "; ") + ")"
}

// BasisOf is the basis of a fidelity's times for a workload: that of the model's operations, and what
// the workload has of them outside of the shapes that were timed.
func (c *Compiled) BasisOf(f Fidelity, w Workload) string {
	p := c.At(f)
	basis := p.Basis()
	if t, ok := p.(*together); ok {
		p = t.c.alone(t.f)
	}
	k, ok := p.(*calibrated)
	if !ok {
		return basis
	}
	beyond := k.beyond(k.of.perDevice(w))
	if len(beyond) == 0 {
		return basis
	}
	return basis + "; outside of the timings: " + strings.Join(beyond, ", ")
}

// beyond lists, class by class, what about a workload's last step and its prompts lies outside of
// what was timed. Streams are left out: they are lines in their bytes.
func (c *calibrated) beyond(w Workload) (out []string) {
	add := func(class kerneltime.Class, shape any) {
		for _, s := range c.profile.Outside(class, shape) {
			if s = className(class) + " of " + s; !slices.Contains(out, s) {
				out = append(out, s)
			}
			if steps, ok := strings.CutPrefix(s, "prompt "); ok { // the same of steps and prompts is said once
				if i := slices.Index(out, "decode "+steps); i >= 0 {
					out[i] = steps
					out = out[:len(out)-1]
				} else if slices.Contains(out, steps) {
					out = out[:len(out)-1]
				}
			}
		}
	}
	b, n := float64(w.Batch), float64(w.Prompt+w.Generate)
	for i := range c.fixed {
		k := &c.fixed[i]
		switch k.price {
		case asProduct:
			s := k.gemm
			s.M = b
			add(kerneltime.ClassGEMM, &s)
		case asRecurrent:
			s := k.recurrent
			s.Batch, s.Tokens = b, 1
			add(kerneltime.ClassDeltaNet, &s)
		case asScan:
			s := k.stepScan(b)
			add(s.Kernel.Class(), &s)
		}
	}
	for i := range c.vary {
		k := &c.vary[i]
		a := k.decoding(b, n, k.floor.at(n))
		switch {
		case k.latent:
			s := k.asLatent(&a)
			add(kerneltime.ClassMLA, &s)
		case k.unpacked:
			s := k.asUnpacked(&a)
			add(kerneltime.ClassUnpacked, &s)
		default:
			add(kerneltime.ClassDecode, &a)
		}
	}
	call := w.prefill()
	if w.Prompt == 0 || call.New <= 0 {
		return out
	}
	for i := range c.prefill {
		k := &c.prefill[i]
		switch {
		case k.op.Shape.QueryLast || k.op.Shape.RowsAreSeqs:
		case k.price == asProduct:
			s := k.gemm
			s.M = float64(call.Batch * call.New)
			add(kerneltime.ClassGEMM, &s)
		case k.price == asAttention:
			for _, a := range k.prefillAttention(call) {
				if a.times > 0 {
					add(kerneltime.ClassPrefill, &a.PrefillAttention)
				}
			}
		case k.price == asRecurrent:
			s := k.recurrent
			s.Kernel, s.Batch, s.Tokens = k.facts.prompt, float64(call.Batch), float64(call.New)
			add(kerneltime.ClassDeltaNet, &s)
		case k.price == asScan:
			s := k.scan
			s.Kernel, s.Batch, s.Tokens = k.facts.scanPrompt, float64(call.Batch), float64(call.New)
			add(s.Kernel.Class(), &s)
		}
	}
	return out
}

// className names a class of kernels in words for people.
func className(c kerneltime.Class) string {
	switch c {
	case kerneltime.ClassMamba1:
		return "Mamba-1 scans"
	case kerneltime.ClassSSD:
		return "Mamba-2 scans"
	case kerneltime.ClassConv:
		return "convolutions"
	case kerneltime.ClassUnpacked:
		return "reads per query head"
	case kerneltime.ClassMLA:
		return "latent attention"
	case kerneltime.ClassStream:
		return "norms and gates"
	case kerneltime.ClassGEMM:
		return "products"
	case kerneltime.ClassDecode:
		return "decode attention"
	case kerneltime.ClassPrefill:
		return "prompt attention"
	case kerneltime.ClassDeltaNet, kerneltime.ClassRule:
		return "Gated DeltaNet"
	case kerneltime.ClassAllReduce:
		return "all-reduces"
	case kerneltime.ClassCollective:
		return "exchanges"
	}
	return c.String()
}

// unmeasured names, in words for people, what about an operation was never timed.
func (c *calibrated) unmeasured(o *Op) string {
	switch kernelTable[o.Kernel].price {
	case asProduct:
		if o.Weight == o.Compute {
			return o.Compute.String() + " products"
		}
		return fmt.Sprintf("%s weights computed in %s", o.Weight, o.Compute)
	case asAttention:
		if o.Shape.Latent && o.Shape.Window > 0 {
			return "latent attention to picked positions"
		}
		if o.Shape.Rank > 0 && !slices.Contains(c.profile.MLARows(), float64(o.Shape.Rank+o.Shape.Rope)) {
			return fmt.Sprintf("latents of %d + %d elements", o.Shape.Rank, o.Shape.Rope)
		}
		if o.Shape.Latent && o.Shape.Rank == 0 {
			return "an indexer of latent attention"
		}
		return "a cache in " + o.KV.String()
	}
	return o.Name
}

// measured returns the class whose timings price an operation, and whether that very kind of
// kernel was timed. Kernels that only stream count as measured where one like them was, because
// their bytes are nearly all that decides their time.
func (c *calibrated) measured(o *Op) (kerneltime.Class, bool) {
	switch facts := c.of.factsOf(o); facts.price {
	case asProduct: // 16-bit throughout, or 8-bit throughout
		return kerneltime.ClassGEMM, o.Weight.Bytes() == o.Compute.Bytes() && c.profile.MeasuredIn(kerneltime.ClassGEMM, o.Compute)
	case asExperts:
		return kerneltime.ClassGEMM, false
	case asAttention:
		if o.Shape.Latent {
			return kerneltime.ClassMLA, o.Shape.Rank > 0 && o.Shape.Window == 0 && c.profile.MeasuredIn(kerneltime.ClassMLA, o.KV) &&
				slices.Contains(c.profile.MLARows(), float64(o.Shape.Rank+o.Shape.Rope))
		}
		class := kerneltime.ClassDecode
		if o.Shape.Again > 1 {
			class = kerneltime.ClassUnpacked
		}
		return class, c.profile.MeasuredIn(kerneltime.ClassDecode, o.KV)
	case asRecurrent:
		return kerneltime.ClassDeltaNet, facts.timed
	case asScan:
		return facts.scanStep.Class(), facts.timed
	case asReduce:
		return kerneltime.ClassAllReduce, true
	case asMessage:
		return kerneltime.ClassCollective, c.of.exchange(o).GPUs <= kerneltime.CollectiveTimed
	}
	return kerneltime.ClassStream, kernelTable[o.Kernel].class != Scan
}
