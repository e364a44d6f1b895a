package calibrate

import (
	"context"
	"math"
)

// fitted is what every class of operation offers to be fitted: physics in curves with
// parameters, and a correction on a grid. S is its shape.
type fitted[S any] interface {
	shape(*Row) *S
	curves() int
	curve(*S) int         // which curve a shape uses
	family(curve int) int // the curve that a curve is a variant of
	donor(family int) int // whose curves a family without rows takes
	params(curve int) []param
	inherit(curve, from int)
	physics(*device, *S) float64
	corrections() []table                            // added up
	locate(i int, s *S) (slice int, x [axes]float64) // in correction i
	correct(*S) float64                              // sum of the corrections of a log time
	stiffness() smoothing
	errors() *spread
	lattice(pair func(small, large S))
}

// fewest is how many rows a curve of its own takes; with fewer it keeps its family's.
const fewest = 40

// fitCurves fits the physics: each family's first curve to all of the family's rows,
// then each variant to its own, starting from the family's.
func fitCurves[S any](ctx context.Context, m fitted[S], d *device, rows []Row, evaluations int) error {
	byCurve := make([][]*S, m.curves())
	var logs = make([][]float64, m.curves())
	for i := range rows {
		s := m.shape(&rows[i])
		c := m.curve(s)
		byCurve[c] = append(byCurve[c], s)
		logs[c] = append(logs[c], math.Log(rows[i].Seconds))
	}
	loss := func(c int) (sum float64) {
		for i, s := range byCurve[c] {
			sum += robust(logs[c][i] - math.Log(m.physics(d, s)))
		}
		return sum
	}
	count := func(family int) (n int) {
		for v := range m.curves() {
			if m.family(v) == family {
				n += len(byCurve[v])
			}
		}
		return n
	}
	for c := range m.curves() {
		n := count(c)
		if m.family(c) != c || n < fewest/4 {
			continue
		}
		err := minimise(ctx, m.params(c), evaluations, func() float64 {
			sum := 0.0
			for v := range m.curves() {
				if m.family(v) == c {
					m.inherit(v, c)
					sum += loss(v)
				}
			}
			return sum / float64(n)
		})
		if err != nil {
			return err
		}
		for v := m.curves() - 1; v >= 0; v-- { // c itself, the first, comes last
			if m.family(v) != c {
				continue
			}
			m.inherit(v, c)
			if k := len(byCurve[v]); k >= fewest && k < n {
				err := minimise(ctx, m.params(v), evaluations, func() float64 { return loss(v) / float64(k) })
				if err != nil {
					return err
				}
			}
		}
	}
	for c := range m.curves() {
		if f := m.family(c); count(f) < fewest/4 && count(m.donor(f)) >= fewest/4 {
			m.inherit(c, c-f+m.donor(f))
		}
		for _, p := range m.params(c) {
			*p.value = significant(*p.value, 5)
		}
	}
	return nil
}

// significant rounds to so many significant digits, so that profiles stay small.
func significant(x float64, digits int) float64 {
	if x == 0 {
		return 0
	}
	scale := math.Pow(10, float64(digits-1)-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

// fitClass fits physics, correction and spread, and returns the left-out errors.
func fitClass[S any](ctx context.Context, m fitted[S], d *device, rows []Row, o *Options) ([]left, error) {
	if err := fitCurves(ctx, m, d, rows, o.evaluations()); err != nil {
		return nil, err
	}
	o.part("curves")
	errs, err := crossValidate(ctx, m, d, rows, o)
	if err != nil {
		return nil, err
	}
	if err := correct(ctx, m, d, rows, o); err != nil {
		return nil, err
	}
	o.part("corrections")
	*m.errors() = measureSpread(errs)
	return errs, nil
}

// residuals returns what the physics leaves unexplained, log(measured/predicted).
func residuals[S any](m fitted[S], d *device, rows []Row) []float64 {
	out := make([]float64, len(rows))
	for i := range rows {
		out[i] = math.Log(rows[i].Seconds / m.physics(d, m.shape(&rows[i])))
	}
	return out
}

// correct fits the corrections, one after the other to what physics and those before
// leave unexplained, and straightens them.
func correct[S any](ctx context.Context, m fitted[S], d *device, rows []Row, o *Options) error {
	smoothAll(m, d, rows)
	return straighten(ctx, m, d, rows, o.rounds())
}

func smoothAll[S any](m fitted[S], d *device, rows []Row) {
	unexplained := residuals(m, d, rows)
	tables := m.corrections()
	at := make([]sample, len(rows))
	for n := range tables {
		t := &tables[n]
		for i := range rows {
			at[i].slice, at[i].x = m.locate(n, m.shape(&rows[i]))
			at[i].residual = unexplained[i]
		}
		t.smooth(at, m.stiffness())
		t.quantise()
		for i := range rows {
			unexplained[i] -= t.at(at[i].slice, &at[i].x)
		}
	}
}

// crossValidate predicts every row from corrections fitted without its fold. The
// physics, a handful of parameters, is kept. It leaves the last fold's corrections.
func crossValidate[S any](ctx context.Context, m fitted[S], d *device, rows []Row, o *Options) ([]left, error) {
	folds := o.folds()
	out := make([]left, 0, len(rows))
	for f := range folds {
		train := make([]Row, 0, len(rows))
		for i := range rows {
			if fold(i, folds) != f {
				train = append(train, rows[i])
			}
		}
		if err := correct(ctx, m, d, train, o); err != nil {
			return nil, err
		}
		o.part("folds")
		for i := range rows {
			if fold(i, folds) == f {
				out = append(out, newLeft(&rows[i], math.Exp(logTime(m, d, m.shape(&rows[i]))), i))
			}
		}
	}
	return out, nil
}

// fold deals rows into folds by a hash of their position (Steele, Lea & Flood's
// SplitMix64), the same on every machine.
func fold(i, folds int) int {
	z := uint64(i) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return int(z % uint64(folds))
}
