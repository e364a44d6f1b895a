package calibrate

import (
	"math"
	"slices"
	"testing"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/precision"
)

// dense solves (WᵀΩW + penalties)·v = WᵀΩr by elimination, with the matrix written out.
func dense(t *kerneltime.Table, rows []sample, s kerneltime.Smoothing, weight []float64) []float64 {
	n := t.Shape()
	a := make([][]float64, n)
	for i := range a {
		a[i] = make([]float64, n+1)
		a[i][i] = s.Ridge
	}
	tie := func(i, j int, l float64) {
		a[i][i] += l
		a[j][j] += l
		a[i][j] -= l
		a[j][i] -= l
	}
	// Every node by its place, its neighbours by adding one to each coordinate.
	place := func(slice int, at [kerneltime.Axes]int) int {
		i := slice * t.Slice
		for k, x := range at {
			i += x * t.Stride[k]
		}
		return i
	}
	var walk func(k int, at [kerneltime.Axes]int, f func([kerneltime.Axes]int))
	walk = func(k int, at [kerneltime.Axes]int, f func([kerneltime.Axes]int)) {
		if k == kerneltime.Axes {
			f(at)
			return
		}
		for x := range t.Axes[k].N {
			at[k] = x
			walk(k+1, at, f)
		}
	}
	for slice := range t.Slices {
		walk(0, [kerneltime.Axes]int{}, func(at [kerneltime.Axes]int) {
			for k := range at {
				if at[k]+1 < t.Axes[k].N {
					next := at
					next[k]++
					tie(place(slice, at), place(slice, next), s.Axis[k]*max(t.Axes[k].PerOctave, 1))
				}
			}
			for other := slice + 1; other < t.Slices; other++ {
				tie(place(slice, at), place(other, at), s.Slice)
			}
		})
	}
	for i, r := range rows {
		corners := t.Corners(nil, r.slice, &r.x)
		for _, c := range corners {
			for _, d := range corners {
				a[c.Node][d.Node] += weight[i] * float64(c.Weight) * float64(d.Weight)
			}
			a[c.Node][n] += weight[i] * float64(c.Weight) * r.residual
		}
	}
	for i := range a { // Gauss–Jordan
		best := i
		for j := i; j < n; j++ {
			if math.Abs(a[j][i]) > math.Abs(a[best][i]) {
				best = j
			}
		}
		a[i], a[best] = a[best], a[i]
		for j := range a {
			if j == i || a[j][i] == 0 {
				continue
			}
			f := a[j][i] / a[i][i]
			for k := i; k <= n; k++ {
				a[j][k] -= f * a[i][k]
			}
		}
	}
	v := make([]float64, n)
	for i := range v {
		v[i] = a[i][n] / a[i][i]
	}
	return v
}

// Smoothing is what elimination makes of the same least squares, reweighted as often; the
// conjugate gradients stop near it.
func TestSmoothingIsItsLeastSquares(t *testing.T) {
	for _, slices := range []int{1, 2, 3} {
		table := kerneltime.Table{Slices: slices}
		for k, axis := range []struct {
			per float64
			n   int
		}{{1, 4}, {2, 3}, {1, 1}, {0.5, 2}} {
			table.Axes[k].PerOctave, table.Axes[k].N = axis.per, axis.n
		}
		s := kerneltime.Smoothing{Axis: [kerneltime.Axes]float64{0.3, 0.2, 0.5, 0.7}, Slice: 0.4, Ridge: 0.05, Tail: 0.1}
		var rows []sample
		for i := range 40 {
			u := func(k int) float64 { return math.Mod(float64(i+1)*0.6180339887*float64(2*k+1), 1) }
			rows = append(rows, sample{i % slices, [kerneltime.Axes]float64{math.Exp2(3 * u(0)), math.Exp2(1.2 * u(1)), 1, math.Exp2(2 * u(2))}, 0.5*math.Sin(float64(7*i)) + 0.2})
		}
		rows[11].residual = -2 // an outlier
		table.Shape()
		weight := make([]float64, len(rows))
		for i := range weight {
			weight[i] = 1
		}
		var want []float64
		for round := range 4 {
			want = dense(&table, rows, s, weight)
			if round == 3 {
				break
			}
			for i, r := range rows {
				e := r.residual
				for _, c := range table.Corners(nil, r.slice, &r.x) {
					e -= float64(c.Weight) * want[c.Node]
				}
				weight[i] = min(math.Exp(-e), 2) / max(math.Abs(e)/0.1, 1)
			}
		}
		smooth(&table, rows, s)
		for i, v := range table.Values {
			if math.Abs(float64(v)-want[i]) > 2e-3 {
				t.Errorf("%d slices, node %d: %.5f, by elimination %.5f", slices, i, v, want[i])
			}
		}
		smooth(&table, nil, s)
		if len(table.Values) != table.Shape() || slices > 0 && table.Values[0] != 0 {
			t.Errorf("smoothed from no rows: %v", table.Values)
		}
	}
}

// Rows are dealt into folds by SplitMix64: its published first numbers from the states 0 and 1.
func TestFoldsAreSplitMix(t *testing.T) {
	const most = 1 << 62
	for i, z := range map[int]uint64{0: 0xe220a8397b1dcdaf, 1: 0x910a2dec89025cc1} {
		if got, want := fold(i, most), int(z%most); got != want {
			t.Errorf("row %d of %d folds is dealt to %#x, want %#x", i, most, got, want)
		}
	}
	sizes := make([]int, 10)
	for i := range 10000 {
		sizes[fold(i, 10)]++
	}
	for f, n := range sizes {
		if n < 900 || n > 1100 {
			t.Errorf("fold %d has %d of 10,000 rows", f, n)
		}
	}
}

// Errors of a table by hand: four rows predicted too high by a half, exactly, too low by a fifth,
// and by a half.
func TestErrorsByHand(t *testing.T) {
	tab := &Table{File: "gemm_x.csv", Hardware: "x", Class: kerneltime.ClassGEMM}
	var errs []left
	for i, r := range []struct{ measured, predicted float64 }{{10e-6, 15e-6}, {20e-6, 20e-6}, {40e-6, 32e-6}, {400e-6, 200e-6}} {
		tab.Rows = append(tab.Rows, Row{Line: i + 2, Shape: &kerneltime.GEMM{M: 1, N: 1, K: float64(i + 1), DType: precision.BF16}, Seconds: r.measured})
		errs = append(errs, newLeft(&tab.Rows[i], r.predicted, i))
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %g, want %g", what, got, want)
		}
	}
	te := tableError(tab, errs, 3, "by hand")
	near("mean", te.MAPE, (0.5+0+0.2+0.5)/4)
	near("median", te.MedianAPE, (0.2+0.5)/2)
	near("ninth tenth", te.P90APE, 0.5)
	near("over 20 µs", te.MAPEOver20, (0.2+0.5)/2) // 20 µs are not over
	near("inside", te.Coverage, 0.75)
	if te.Rows != 4 || te.File != "gemm_x.csv" || te.Hardware != "x" || te.Class != "gemm" || te.Basis != "by hand" {
		t.Errorf("%+v", te)
	}
	if e := tableError(tab, nil, 0, ""); e.MAPE != 0 || e.Rows != 4 {
		t.Errorf("without errors: %+v", e)
	}
	if e := tableError(&Table{Class: kerneltime.ClassGEMM, Rows: tab.Rows[:1]}, errs[:1], 1, ""); e.MAPEOver20 != 0 || e.Coverage != 1 {
		t.Errorf("of a short row: %+v", e)
	}
	var r Report
	r.add(tab, errs, te)
	if len(r.Tables) != 1 || len(r.Points) != 4 || r.Points[2] != (Point{kerneltime.ClassGEMM, 40e-6, errs[2].seconds}) {
		t.Errorf("%+v", r)
	}
	// Two bins a decade: 10 and 20 µs, 40 µs, 400 µs.
	for i, want := range []SizeError{{"gemm", 10e-6, 31.6227766017e-6, 2, 0.25, 0.45, math.Log(1/1.5) / 2}, {"gemm", 31.6227766017e-6, 100e-6, 1, 0.2, 0.2, math.Log(1.25)}, {"gemm", 316.227766017e-6, 1000e-6, 1, 0.5, 0.5, math.Log(2)}} {
		s := r.Sizes[i]
		near("from", s.From/want.From, 1)
		near("to", s.To/want.To, 1)
		near("mean of a bin", s.MAPE, want.MAPE)
		near("ninth tenth of a bin", s.P90APE, want.P90APE)
		near("bias of a bin", s.Bias, want.Bias)
		if s.Rows != want.Rows || s.Class != "gemm" {
			t.Errorf("bin %d: %+v, want %+v", i, s, want)
		}
	}
	if w := r.Worst; len(w) != 4 || w[2].Line != 4 || w[3].Line != 3 || w[3].Measured != 20e-6 || w[3].File != "gemm_x.csv" || w[2].Shape != kerneltime.ClassGEMM.Facts().Describe(tab.Rows[2].Shape) {
		t.Errorf("worst first: %+v", w)
	}
	for range 3 {
		tab.Rows = append(tab.Rows, tab.Rows...)
	}
	var many []left
	for i := range tab.Rows {
		many = append(many, newLeft(&tab.Rows[i], 1e-6*float64(i+1), i))
	}
	r = Report{}
	r.add(tab, many, te)
	if len(r.Worst) != worst || r.Worst[0].Measured/r.Worst[0].Predicted > 1 && !slices.IsSortedFunc(r.Worst, func(a, b Cell) int { return 0 }) {
		t.Errorf("%d worst cells", len(r.Worst))
	}
	s := ServedTableError("served.csv", "x", "by hand", []ServedError{{1, 0.3}, {2, 0.1}, {3, 0.2}})
	if s.Class != "serving" || s.Rows != 3 || math.Abs(s.MAPE-0.2) > 1e-12 || s.MedianAPE != 0.2 || s.MAPEOver20 != s.MAPE || math.Abs(s.P90APE-0.28) > 1e-12 {
		t.Errorf("%+v", s)
	}
}

// Percentiles of left-out errors: a bin with many rows has its own, one with few its neighbours'.
func TestSpreadByBins(t *testing.T) {
	var errs []left
	add := func(n int, seconds, width float64) {
		for i := range n {
			errs = append(errs, left{seconds, width * (2*float64(i)/float64(n-1) - 1), len(errs)})
		}
	}
	add(201, 1.5e-6, 0.1) // bin 0
	add(401, 5e-6, 0.3)   // bin 2
	add(31, 3e-3, 0.5)    // bin 11, few: with the nearest of bin 2
	s := measureSpread(errs)
	if len(s.Low) != kerneltime.Bins || len(s.High) != kerneltime.Bins {
		t.Fatalf("%d and %d bins", len(s.Low), len(s.High))
	}
	for bin, want := range map[int]float64{0: 0.09, 2: 0.27} {
		if math.Abs(math.Log(s.Low[bin])+want) > 1e-4 || math.Abs(math.Log(s.High[bin])-want) > 1e-4 {
			t.Errorf("bin %d: %g to %g, want e^±%g", bin, s.Low[bin], s.High[bin], want)
		}
	}
	// The last 120 rows: 31 of ±0.5 evenly, and 89 of bin 2. All bins behind bin 2 have those.
	var last []float64
	for _, e := range errs[len(errs)-120:] {
		last = append(last, e.log)
	}
	slices.Sort(last)
	for _, bin := range []int{11, 12, 13} {
		if got, want := math.Log(s.Low[bin]), quantile(last, 0.05); math.Abs(got-want) > 2e-3 {
			t.Errorf("bin %d begins at e^%.4f, want e^%.4f", bin, got, want)
		}
		if got, want := math.Log(s.High[bin]), quantile(last, 0.95); math.Abs(got-want) > 2e-3 {
			t.Errorf("bin %d ends at e^%.4f, want e^%.4f", bin, got, want)
		}
	}
	// A bin begins at its power of two, in microseconds.
	errs = nil
	add(150, 3.99e-6, 0.1)
	add(150, 4.01e-6, 0.4)
	s = measureSpread(errs)
	if math.Abs(math.Log(s.High[1])-0.09) > 1e-3 || math.Abs(math.Log(s.High[2])-0.36) > 1e-3 {
		t.Errorf("just below 4 µs up to %g, just above up to %g", s.High[1], s.High[2])
	}
	// Bounds hold the prediction itself, however lopsided the errors are.
	lop := measureSpread([]left{{1e-6, 0.2, 0}, {1e-6, 0.4, 1}})
	if lop.Low[0] != 1 || math.Abs(math.Log(lop.High[0])-0.39) > 1e-3 {
		t.Errorf("of errors above alone: %g to %g", lop.Low[0], lop.High[0])
	}
	if e := measureSpread(nil); len(e.Low) != 0 {
		t.Errorf("of no errors: %+v", e)
	}
}

// Minima with known places, one behind the bound of its parameter.
func TestMinimaByHand(t *testing.T) {
	a, b, c := 1.0, 1.0, 0.5
	params := []kerneltime.Param{{Value: &a}, {Value: &b}, {Value: &c, Most: 0.9}}
	err := Minimise(t.Context(), params, 3000, func() float64 {
		square := func(x, y float64) float64 { d := math.Log(x / y); return d * d }
		return 10*square(a, 3) + 20*square(b, 0.2) + 5*square(c, 2)
	})
	if err != nil {
		t.Fatal(err)
	}
	// A pull of 2e-3 (log x/x₀)² holds parameters near where they began.
	if math.Abs(math.Log(a/3)) > 0.01 || math.Abs(math.Log(b/0.2)) > 0.01 || c > 0.9 || c < 0.89 {
		t.Errorf("minimum at %g, %g, %g; want 3, 0.2 and the bound 0.9", a, b, c)
	}
	// What is left is the best of all that was tried, not the last; and of three starts each has its
	// share of the evaluations.
	x, y := 1.0, 1.0
	n, best := 0, math.Inf(1)
	valley := func() float64 {
		n++
		u, v := math.Log(x)-1, math.Log(y)-1
		loss := 100*(v-u*u)*(v-u*u) + (1-u)*(1-u)
		dx, dy := math.Log(x), math.Log(y)
		best = min(best, loss+2e-3*(dx*dx+dy*dy))
		return loss
	}
	for _, evaluations := range []int{45, 90, 300} {
		x, y, n, best = 1, 1, 0, math.Inf(1)
		if err := Minimise(t.Context(), []kerneltime.Param{{Value: &x}, {Value: &y}}, evaluations, valley); err != nil {
			t.Fatal(err)
		}
		if n < evaluations*8/10 || n > evaluations+12 {
			t.Errorf("%d evaluations of %d", n, evaluations)
		}
		tried := best
		if evaluations < 300 { // stopped on the way, before the last tries were taken up
			continue
		}
		if valley(); math.Abs(best-tried) > 1e-9 || math.Abs(100*math.Pow(math.Log(y)-1-math.Pow(math.Log(x)-1, 2), 2)+math.Pow(2-math.Log(x), 2)+2e-3*(math.Log(x)*math.Log(x)+math.Log(y)*math.Log(y))-tried) > 1e-9 {
			t.Errorf("%d evaluations leave %g and %g, whose loss is not the least, %g", evaluations, x, y, tried)
		}
	}
	// Where every move is worse, the start is what is left, not the last move.
	start := 7.0
	if err := Minimise(t.Context(), []kerneltime.Param{{Value: &start}}, 30, func() float64 {
		if math.Abs(start-7) < 1e-9 {
			return 0
		}
		return 1
	}); err != nil || math.Abs(start-7) > 1e-9 {
		t.Errorf("the best was at 7, what is left is %.12g, %v", start, err)
	}
	free := 7.0
	if err := Minimise(t.Context(), []kerneltime.Param{{Value: &free}}, 300, func() float64 { return 1 }); err != nil || math.Abs(free-7) > 0.05 {
		t.Errorf("a parameter that nothing depends on went from 7 to %g, %v", free, err)
	}
	for x, want := range map[float64]float64{0: 0, 0.1: math.Sqrt2 - 1, -0.1: math.Sqrt2 - 1, 0.3: math.Sqrt(10) - 1} {
		if got := Robust(x); math.Abs(got-want) > 1e-12 {
			t.Errorf("the loss of %g is %g, want %g", x, got, want)
		}
	}
	for _, tt := range []struct {
		x      float64
		digits int
		want   float64
	}{{0, 3, 0}, {123456, 3, 123000}, {-0.0012345, 2, -0.0012}, {9.99e-7, 2, 1e-6}, {5, 5, 5}} {
		if got := Significant(tt.x, tt.digits); math.Abs(got-tt.want) > 1e-12*math.Abs(tt.want) {
			t.Errorf("%g to %d digits is %g, want %g", tt.x, tt.digits, got, tt.want)
		}
	}
}

// Gaps by hand: by file and number of GPUs the smallest message timed both ways, of those the median.
func TestEagerGapsOfSeveralTables(t *testing.T) {
	row := func(gpus, bytes float64, eager bool, us float64) Row {
		return Row{Shape: &kerneltime.AllReduce{GPUs: gpus, Bytes: bytes, Eager: eager}, Seconds: us * 1e-6}
	}
	tabs := []Table{
		{File: "a", Class: kerneltime.ClassAllReduce, Rows: []Row{row(2, 512, true, 50), row(2, 256, false, 5), row(2, 256, true, 15), row(2, 512, false, 6), row(2, 128, true, 99), // 128 was timed one way alone: 10
			row(4, 256, false, 9), row(4, 256, true, 7)}}, // faster: no gap below 0
		{File: "b", Class: kerneltime.ClassAllReduce, Rows: []Row{row(2, 1024, false, 5), row(2, 1024, true, 35.4)}}, // 30.4
		{File: "c", Class: kerneltime.ClassGEMM, Rows: []Row{{Shape: &kerneltime.GEMM{}, Seconds: 1}}},
	}
	if got, ok := EagerGap(tabs); !ok || math.Abs(got-10e-6) > 1e-12 {
		t.Errorf("a gap of %g s, %v; of 0, 10 and 30 µs the median is 10", got, ok)
	}
	if got, ok := EagerGap(tabs[1:]); !ok || math.Abs(got-30e-6) > 1e-12 {
		t.Errorf("a gap of %g s, %v; want 30.4 µs in two digits", got, ok)
	}
	if _, ok := EagerGap(tabs[2:]); ok {
		t.Error("a gap of products")
	}
}
