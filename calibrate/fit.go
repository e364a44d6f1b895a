package calibrate

import (
	"context"
	"math"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// fewest is how many rows it takes for a curve to be fitted by itself; with fewer, the curve of
// its family is used.
const fewest = 40

// fitCurves fits the physics: first each family's first curve to all rows of the family, then
// each variant to its own rows, beginning with the family's parameters.
func fitCurves(ctx context.Context, m kerneltime.Fitting, rows []Row, evaluations int) error {
	byCurve := make([][]any, m.Curves())
	var logs = make([][]float64, m.Curves())
	for i := range rows {
		s := rows[i].Shape
		c := m.Curve(s)
		byCurve[c] = append(byCurve[c], s)
		logs[c] = append(logs[c], math.Log(rows[i].Seconds))
	}
	loss := func(c int) (sum float64) {
		for i, s := range byCurve[c] {
			sum += Robust(logs[c][i] - math.Log(m.Physics(s)))
		}
		return sum
	}
	count := func(family int) (n int) {
		for v := range m.Curves() {
			if m.Family(v) == family {
				n += len(byCurve[v])
			}
		}
		return n
	}
	for c := range m.Curves() {
		n := count(c)
		if m.Family(c) != c || n < fewest/4 {
			continue
		}
		err := Minimise(ctx, m.Params(c), evaluations, func() float64 {
			sum := 0.0
			for v := range m.Curves() {
				if m.Family(v) == c {
					m.Inherit(v, c)
					sum += loss(v)
				}
			}
			return sum / float64(n)
		})
		if err != nil {
			return err
		}
		for v := m.Curves() - 1; v >= 0; v-- { // the first curve, c itself, comes last
			if m.Family(v) != c {
				continue
			}
			m.Inherit(v, c)
			if k := len(byCurve[v]); k >= fewest && k < n {
				if err := fromStarts(ctx, m, v, evaluations, func() float64 { return loss(v) / float64(k) }); err != nil {
					return err
				}
			}
		}
	}
	for c := range m.Curves() {
		if f := m.Family(c); count(f) < fewest/4 && count(m.Donor(f)) >= fewest/4 {
			m.Inherit(c, c-f+m.Donor(f))
		}
		for _, p := range m.Params(c) {
			*p.Value = Significant(*p.Value, 5)
		}
	}
	return nil
}

// fromStarts minimises a curve's loss from where it is and from every other start that it has, and
// leaves it where the loss is least.
func fromStarts(ctx context.Context, m kerneltime.Fitting, curve, evaluations int, loss func() float64) error {
	params := m.Params(curve)
	read := func() (values []float64) {
		for _, p := range params {
			values = append(values, *p.Value)
		}
		return values
	}
	write := func(values []float64) {
		for i, p := range params {
			*p.Value = values[i]
		}
	}
	home := read()
	best, least := home, math.Inf(1)
	for _, start := range append([]func(){func() {}}, m.Starts(curve)...) {
		write(home)
		start()
		if err := Minimise(ctx, params, evaluations, loss); err != nil {
			return err
		}
		if l := loss(); l < least {
			best, least = read(), l
		}
	}
	write(best)
	return nil
}

// Significant rounds to a number of significant digits, so that profiles stay small.
func Significant(x float64, digits int) float64 {
	if x == 0 {
		return 0
	}
	scale := math.Pow(10, float64(digits-1)-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

// fitClass fits physics, correction and spread, and returns the errors of left-out rows.
func fitClass(ctx context.Context, c kerneltime.Class, m kerneltime.Fitting, rows []Row, o *Options) ([]left, error) {
	if err := fitCurves(ctx, m, rows, o.evaluations()); err != nil {
		return nil, err
	}
	o.part("curves")
	errs, err := crossValidate(ctx, c, m, rows, o)
	if err != nil {
		return nil, err
	}
	if err := correct(ctx, m, rows, o); err != nil {
		return nil, err
	}
	o.part("corrections")
	*m.Spread() = measureSpread(errs)
	return errs, nil
}

// residuals returns what the physics leaves unexplained: log(measured/predicted).
func residuals(m kerneltime.Fitting, rows []Row) []float64 {
	out := make([]float64, len(rows))
	for i := range rows {
		out[i] = math.Log(rows[i].Seconds / m.Physics(rows[i].Shape))
	}
	return out
}

// correct fits the corrections one after the other, each to what the physics and the corrections
// before it leave unexplained, and then straightens them.
func correct(ctx context.Context, m kerneltime.Fitting, rows []Row, o *Options) error {
	smoothAll(m, rows)
	return straighten(ctx, m, rows, o.rounds())
}

func smoothAll(m kerneltime.Fitting, rows []Row) {
	unexplained := residuals(m, rows)
	tables := m.Corrections()
	at := make([]sample, len(rows))
	for n := range tables {
		t := &tables[n]
		for i := range rows {
			at[i].slice, at[i].x = m.Locate(n, rows[i].Shape)
			at[i].residual = unexplained[i]
		}
		smooth(t, at, m.Stiffness())
		t.Quantise()
		for i := range rows {
			unexplained[i] -= t.At(at[i].slice, &at[i].x)
		}
	}
}

// crossValidate predicts every row with corrections that were fitted without the row's fold. The
// physics, which has few parameters, is not fitted again. A fold has rows at random, or, where a
// class has few sizes or few lengths, all rows of a size and again all rows of a length;
// intervals then apply to shapes that nobody timed. The corrections of the last fold are left in
// m.
func crossValidate(ctx context.Context, c kerneltime.Class, m kerneltime.Fitting, rows []Row, o *Options) ([]left, error) {
	ways := c.Facts().FoldBy()
	if len(ways) == 0 {
		ways = []string{""}
	}
	var out []left
	for _, way := range ways {
		at, folds := deal(c, rows, way, max(2, o.folds()/len(ways)))
		for f := range folds {
			train := make([]Row, 0, len(rows))
			for i := range rows {
				if at[i] != f {
					train = append(train, rows[i])
				}
			}
			if err := correct(ctx, m, train, o); err != nil {
				return nil, err
			}
			o.part("folds")
			for i := range rows {
				if at[i] == f {
					out = append(out, newLeft(&rows[i], math.Exp(kerneltime.LogTime(m, rows[i].Shape)), i))
				}
			}
		}
	}
	return out, nil
}

// deal says in which fold each row is. All rows of a group are in the same fold, and groups are
// dealt out in turn.
func deal(c kerneltime.Class, rows []Row, way string, folds int) (at []int, n int) {
	at = make([]int, len(rows))
	place := map[float64]int{}
	for i := range rows {
		if way == "" {
			at[i] = fold(i, folds)
			continue
		}
		k, _ := c.Facts().Group(way, rows[i].Shape)
		p, ok := place[k]
		if !ok {
			p = len(place)
			place[k] = p
		}
		at[i] = p % folds
	}
	return at, folds
}

// fold returns a row's fold, by a hash of the row's position (SplitMix64 by Steele, Lea and
// Flood), so that it is the same on every machine.
func fold(i, folds int) int {
	z := uint64(i) + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return int(z % uint64(folds))
}
