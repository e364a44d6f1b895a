package costmodel

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"gonum.org/v1/gonum/integrate/quad"

	"ridgeline/costmodel/calibrate"
)

// lazyCalibration makes the calibration of a compiled model when it is first asked for:
// most points of a sweep are priced without.
type lazyCalibration struct {
	once sync.Once
	c    *calibration
}

func (c *Compiled) calibration() *calibration {
	c.cal.once.Do(func() { c.cal.c = c.calibrate() })
	return c.cal.c
}

// calibration is a compiled model's operations as kernels of a fitted profile.
type calibration struct {
	of      *Compiled
	profile *calibrate.Profile // nil where no measured GPU is a relative
	engine  *calibrate.Engine
	fixed   []kernel // whose time does not depend on the context
	vary    []kernel // attention
	streams []kernel // streaming kernels, which sum up to:
	launch  float64  // launches
	stream0 float64  // bytes
	stream1 float64  // bytes per sequence
	prefill []kernel
	tp      float64
	perStep float64 // seconds of the engine: host, and gaps between kernels
	prompts float64 // the same for a prefill
}

func (c *Compiled) calibrate() *calibration {
	k := &calibration{of: c, engine: c.engine, tp: float64(c.tp)}
	if own := c.Options.Calibration; own != nil {
		k.profile, _ = calibrate.With(c.Hardware, own) // Compile has asked before
	} else if p, err := calibrate.For(c.Hardware); err == nil {
		k.profile = p
	} else {
		return k
	}
	k.perStep, k.prompts = k.engine.Host, k.engine.Host
	for i := range c.decode {
		x := c.kernelOf(&c.decode[i])
		k.perStep += x.layers * x.launches * k.engine.Gap
		switch {
		case x.class == kernelAttention:
			k.vary = append(k.vary, x)
		case x.class == kernelStream && x.floor.c1 <= x.floor.m1:
			k.streams = append(k.streams, x)
			k.launch += x.layers
			k.stream0 += x.layers * x.fixed
			k.stream1 += x.layers * x.perRow
		default:
			k.fixed = append(k.fixed, x)
		}
	}
	for i := range c.prefill {
		x := c.kernelOf(&c.prefill[i])
		k.prompts += x.layers * x.launches * k.engine.Gap
		k.prefill = append(k.prefill, x)
	}
	return k
}

// seconds is the time of all layers' launches of a kernel in a step, never less than
// their roofline: timings of one kernel repeated find in cache what a whole step does
// not.
func (c *calibration) seconds(k *kernel, b, n float64) float64 {
	return k.layers * max(k.launches*k.stepSeconds(c.profile, c.engine, c.tp, b, n), c.least(k, b, n))
}

// least is the roofline time of one layer's operation.
func (c *calibration) least(k *kernel, b, n float64) float64 {
	v := &k.floor
	l := b * min(n, v.window)
	m := v.m0 + v.m1*b + v.mL*l
	if k.perHit > 0 {
		m += k.perHit * ExpectedHits(k.op.Shape.Experts, k.op.Shape.TopK, b)
	}
	return max(v.c1*b+v.cL*l, m)
}

func (c *calibration) step(b, n float64) float64 {
	if c.profile == nil {
		return c.of.DecodeStep(Roofline, int(b), int(n))
	}
	t := c.steady(b)
	for i := range c.vary {
		t += c.seconds(&c.vary[i], b, n)
	}
	return t
}

// steady is the part of a step that does not depend on the context.
func (c *calibration) steady(b float64) float64 {
	t := c.perStep + c.engine.Sequence*b + c.profile.StreamSeconds(c.stream0+c.stream1*b, c.launch*c.engine.Stream)
	for i := range c.fixed {
		t += c.seconds(&c.fixed[i], b, 1)
	}
	return t
}

// nodes and weights of Gauss–Legendre quadrature on [−1, 1].
const nodes = 4

var gaussX, gaussW = func() (x, w [nodes]float64) {
	quad.Legendre{}.FixedLocations(x[:], w[:], -1, 1)
	return x, w
}()

// shortest is how many steps are summed one by one before quadrature takes over.
const shortest = 24

// generation sums the steps that see lo … hi positions: the steady part once, and the
// attention by quadrature between the places where its fitted time bends (doublings of
// the context, the window).
func (c *calibration) generation(b, lo, hi float64) float64 {
	if c.profile == nil {
		return c.of.Generation(Roofline, int(b), int(lo)-1, int(hi-lo)+1)
	}
	t := c.steady(b) * (hi - lo + 1)
	for i := range c.vary {
		t += c.grow(&c.vary[i], b, lo, hi)
	}
	return t
}

// grow sums a kernel over the steps that see lo … hi positions.
func (c *calibration) grow(k *kernel, b, lo, hi float64) (t float64) {
	for start := lo; start <= hi; {
		end := min(hi, math.Exp2(math.Floor(math.Log2(start))+1)-1)
		if w := k.floor.window; start <= w {
			end = min(end, w)
		}
		t += c.piece(k, b, start, end)
		start = end + 1
	}
	return t
}

func (c *calibration) piece(k *kernel, b, lo, hi float64) (sum float64) {
	n := hi - lo + 1
	if n <= shortest {
		for x := lo; x <= hi; x++ {
			sum += c.seconds(k, b, x)
		}
		return sum
	}
	mid, half := (lo+hi)/2, n/2
	for i, x := range gaussX {
		sum += gaussW[i] * c.seconds(k, b, mid+half*x)
	}
	return half * sum
}

// calibratedOp is the fitted time in seconds of an operation in the mean step of a
// workload, all its layers taken together.
func (c *Compiled) calibratedOp(g *OpGroup, w Workload) float64 {
	k := c.calibration()
	if k.profile == nil {
		return 0
	}
	x := c.kernelOf(g)
	lo, n := float64(w.Prompt+1), float64(w.Generate)
	if x.class == kernelAttention {
		return k.grow(&x, float64(w.Batch), lo, lo+n-1) / n
	}
	return k.seconds(&x, float64(w.Batch), 1)
}

// EngineSeconds is what the engine adds to the kernels of a step of batch sequences, in
// calibrated times.
func (c *Compiled) EngineSeconds(batch int) float64 {
	k := c.calibration()
	return k.perStep + k.engine.Sequence*float64(batch)
}

// prompt is the estimated time of a prefill.
func (c *calibration) prompt(call Call) calibrate.Estimate {
	if c.profile == nil {
		t := c.of.cost(Roofline, c.of.prefill, call).Seconds
		return datasheetInterval(t)
	}
	var sum calibrate.Sum
	sum.AddExact(c.prompts)
	for i := range c.prefill {
		k := &c.prefill[i]
		w := k.op.Work(call)
		sum.Add(k.prompt(c.profile, c.engine, c.tp, call, &w).AtLeast(c.of.opSeconds(k.op, &w) / k.launches).Times(k.layers * k.launches))
	}
	return sum.Estimate()
}

// interval is the estimated time of one step and its 90 % bounds.
func (c *calibration) interval(b, n float64) calibrate.Estimate {
	if c.profile == nil {
		return datasheetInterval(c.of.DecodeStep(Roofline, int(b), int(n)))
	}
	var sum calibrate.Sum
	sum.AddExact(c.perStep + c.engine.Sequence*b)
	for _, ks := range [][]kernel{c.fixed, c.streams, c.vary} {
		for i := range ks {
			k := &ks[i]
			sum.Add(k.step(c.profile, c.engine, c.tp, b, n).AtLeast(c.least(k, b, n) / k.launches).Times(k.layers * k.launches))
		}
	}
	return sum.Estimate()
}

// datasheetInterval is what a roofline with nothing measured behind it is worth. Whole
// steps on the GPUs we timed took 1.2 to 2.1 times theirs (testdata/steps), half of the
// measured kernels over 20 µs more than 2.5 times; up to 6 is our guess, not a figure.
func datasheetInterval(t float64) calibrate.Estimate {
	return calibrate.Estimate{Seconds: t, Low: t, High: 6 * t}
}

// Basis says what times of a fidelity rest on: for calibrated ones where the matrix
// products and attention were measured, and in parentheses what was not measured there
// or at all.
func (c *Compiled) Basis(f Fidelity) string {
	if f != Calibrated {
		return DatasheetOnly
	}
	k := c.calibration()
	if k.profile == nil {
		return DatasheetOnly
	}
	main := k.profile.Basis(calibrate.ClassGEMM).String()
	var but []string
	note := func(s string) {
		if !slices.Contains(but, s) {
			but = append(but, s)
		}
	}
	for i := range c.decode {
		o := &c.decode[i].Op
		class, exact := k.measured(o)
		switch b := k.profile.Basis(class).String(); {
		case !exact:
			note(unmeasured(o) + " unmeasured")
		case b != main:
			name := class.String()
			if class == calibrate.ClassMamba2 {
				name = "convolution" // all that was timed of it, and all that is priced by it
			}
			note(name + " " + b)
		}
	}
	if len(but) == 0 {
		return main
	}
	return main + " (" + strings.Join(but, ", ") + ")"
}

// unmeasured names what was never timed as people do.
func unmeasured(o *Op) string {
	switch {
	case o.Class == GEMM:
		if o.Weight == o.Compute {
			return o.Compute.String() + " products"
		}
		return fmt.Sprintf("%s weights computed in %s", o.Weight, o.Compute)
	case o.Class == Attn && o.Shape.Differential:
		return "differential attention"
	case o.Class == Attn:
		return "a cache in " + o.KV.String()
	}
	return o.Name
}

// measured returns the class whose timings price an operation, and whether they are of
// that very kind of kernel. Streaming kernels count as measured: there is nothing to
// them but bytes.
func (c *calibration) measured(o *Op) (calibrate.Class, bool) {
	switch o.Class {
	case GEMM: // 16-bit throughout, or 8-bit throughout
		return calibrate.ClassGEMM, o.Weight.Bytes() == o.Compute.Bytes() && c.profile.MeasuredIn(calibrate.ClassGEMM, o.Compute)
	case ExpertGEMM:
		return calibrate.ClassGEMM, false
	case Attn:
		return calibrate.ClassDecode, !o.Shape.Differential && c.profile.MeasuredIn(calibrate.ClassDecode, o.KV)
	case Scan: // of Mamba layers only the convolution was timed
		return calibrate.ClassDeltaNet, strings.HasPrefix(o.Name, "gdn")
	case Conv:
		if strings.HasPrefix(o.Name, "gdn") {
			return calibrate.ClassDeltaNet, true
		}
		return calibrate.ClassMamba2, true
	case Collective:
		return calibrate.ClassAllReduce, true
	}
	return calibrate.ClassGEMM, true
}
