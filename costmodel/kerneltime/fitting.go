package kerneltime

import "math"

// model is what the model of every class offers to a fit: physics as curves with parameters, and
// corrections in tables. S is the type of the class's shapes.
type model[S any] interface {
	curves() int
	curve(*S) int         // which curve is used for a shape
	family(curve int) int // the curve that a curve is a variant of
	donor(family int) int // the family whose curves this one borrows where it has no timings
	params(curve int) []Param
	inherit(curve, from int)
	physics(*Device, *S) float64
	corrections() []Table                            // the corrections, to be added up
	locate(i int, s *S) (slice int, x [axes]float64) // the place of a shape in correction i
	correct(*S) float64                              // sum of the corrections, to the logarithm of the time
	stiffness() Smoothing
	errors() *Spread
	lattice(pair func(small, large S)) // calls pair with two shapes, the second with twice the work in one respect
}

// Fitting is the model of a class in one profile as a fit sees it: a few curves with physical
// parameters, and tables of corrections to the logarithm of their times.
type Fitting interface {
	Curves() int
	Curve(shape any) int       // which curve is used for a shape
	Family(curve int) int      // the curve that a curve is a variant of
	Donor(family int) int      // the family whose curves this one borrows where it has no timings
	Params(curve int) []Param  // the parameters of a curve, which the fit may change
	Inherit(curve, from int)   // copies a curve's parameters
	Starts(curve int) []func() // what sets parameters to where else a fit may start than where they are
	Physics(shape any) float64 // seconds without corrections
	Corrections() []Table      // the corrections, to be added up; their elements may be changed
	Locate(correction int, shape any) (slice int, x [Axes]float64)
	Correct(shape any) float64 // sum of the corrections, to the logarithm of the time
	Stiffness() Smoothing
	Spread() *Spread
	Lattice(pair func(small, large any)) // calls pair with two shapes, the second with twice the work in one respect
}

// Param is a positive parameter to fit. Where the parameter is a fraction of a datasheet's
// figure, it has a largest value; 0 stands for none.
type Param struct {
	Value *float64
	Most  float64
}

// Axes is the number of axes of every table.
const Axes = axes

// Smoothing says how stiff a table of corrections is when package calibrate smooths it.
type Smoothing struct {
	Axis  [axes]float64 // penalty on a difference along each axis
	Slice float64       // penalty on a difference between slices
	Ridge float64       // penalty on the value itself
	Tail  float64       // logarithmic error from which a timing counts as an outlier
}

type fitting[S any] struct {
	m model[S]
	d *Device
}

func (f fitting[S]) Curves() int              { return f.m.curves() }
func (f fitting[S]) Curve(shape any) int      { return f.m.curve(shape.(*S)) }
func (f fitting[S]) Family(curve int) int     { return f.m.family(curve) }
func (f fitting[S]) Donor(family int) int     { return f.m.donor(family) }
func (f fitting[S]) Params(curve int) []Param { return f.m.params(curve) }
func (f fitting[S]) Inherit(curve, from int)  { f.m.inherit(curve, from) }
func (f fitting[S]) Starts(curve int) []func() {
	if m, ok := f.m.(interface{ starts(curve int) []func() }); ok {
		return m.starts(curve)
	}
	return nil
}

func (f fitting[S]) Physics(shape any) float64 { return f.m.physics(f.d, shape.(*S)) }
func (f fitting[S]) Corrections() []Table      { return f.m.corrections() }
func (f fitting[S]) Correct(shape any) float64 { return f.m.correct(shape.(*S)) }
func (f fitting[S]) Stiffness() Smoothing      { return f.m.stiffness() }
func (f fitting[S]) Spread() *Spread           { return f.m.errors() }

func (f fitting[S]) Locate(correction int, shape any) (int, [Axes]float64) {
	return f.m.locate(correction, shape.(*S))
}

func (f fitting[S]) Lattice(pair func(small, large any)) {
	f.m.lattice(func(small, large S) { pair(&small, &large) })
}

// Dips counts the pairs of shapes of which one has twice the work of the other in one respect,
// and those pairs in which the larger shape is predicted to be more than 2 % faster. worst is the
// smallest ratio of the larger shape's time to the smaller's.
func (p *Profile) Dips(c Class) (pairs, dips int, worst float64) {
	worst = 1
	f := c.Facts().Fitting(p)
	f.Lattice(func(small, large any) {
		pairs++
		r := math.Exp(LogTime(f, large) - LogTime(f, small))
		if r < 0.98 {
			dips++
		}
		worst = min(worst, r)
	})
	return pairs, dips, worst
}

// LogTime returns the logarithm of a shape's fitted time in seconds.
func LogTime(f Fitting, shape any) float64 { return math.Log(f.Physics(shape)) + f.Correct(shape) }

// each calls pair with a shape and with what each of the growths makes of it.
func each[S any](pair func(small, large S), small S, growths ...func(*S)) {
	for _, grow := range growths {
		large := small
		grow(&large)
		pair(small, large)
	}
}

// doublings calls f with 2^lo … 2^hi.
func doublings(lo, hi int, f func(float64)) {
	for e := lo; e <= hi; e++ {
		f(math.Ldexp(1, e))
	}
}
