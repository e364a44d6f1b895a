package calibrate

import (
	"context"
	"fmt"
	"math"
	"os"
	"sort"
	"testing"
	"time"
)

var devs = map[string]device{
	"a100-80gb": {Peak: [2]float64{312e12, 624e12}, Bandwidth: 2.039e12, Cache: 40e6, Units: 108},
	"h200":      {Peak: [2]float64{989e12, 1979e12}, Bandwidth: 4.8e12, Cache: 50e6, Units: 132},
	"b200":      {Peak: [2]float64{2250e12, 4500e12}, Bandwidth: 8e12, Cache: 126e6, Units: 148},
	"l40s":      {Peak: [2]float64{362e12, 733e12}, Bandwidth: 864e9, Cache: 96e6, Units: 142},
}

func ape(l []left) (mean, med, p90 float64) {
	a := make([]float64, len(l))
	for i := range l {
		a[i] = math.Abs(math.Expm1(-l[i].log))
		mean += a[i] / float64(len(l))
	}
	sort.Float64s(a)
	return mean * 100, a[len(a)/2] * 100, a[len(a)*9/10] * 100
}

func explore[S any](m fitted[S], tb *Table) {
	d := devs[tb.Hardware]
	start := time.Now()
	if err := fitCurves(context.Background(), m, &d, tb.Rows, 900); err != nil {
		panic(err)
	}
	el := time.Since(start).Seconds()
	if os.Getenv("CURVES") != "" {
		for i := range m.curves() {
			fmt.Printf("   curve %d:", i)
			for _, p := range m.params(i) {
				fmt.Printf(" %.3g", *p)
			}
			fmt.Println()
		}
	}
	all := residuals(m, &d, tb.Rows)
	var ph []left
	for i := range all {
		ph = append(ph, left{0, all[i].residual, i})
	}
	pm, pd, _ := ape(ph)
	cv, _ := crossValidate(context.Background(), m, &d, tb.Rows, 5)
	a, b, c := ape(cv)
	var big []left
	for _, l := range cv {
		if tb.Rows[l.row].Seconds > 20e-6 {
			big = append(big, l)
		}
	}
	e, _, _ := ape(big)
	fmt.Printf("%-30s n=%5d physics mape %.1f med %.1f | cv mape %.2f med %.2f p90 %.1f >20us %.2f (%.1fs %.1fs)\n", tb.File, len(tb.Rows), pm, pd, a, b, c, e, el, time.Since(start).Seconds()-el)
	group := func(name string, key func(i int) string) {
		by := map[string][]left{}
		for _, l := range cv {
			k := key(l.row)
			by[k] = append(by[k], l)
		}
		var ks []string
		for k := range by {
			ks = append(ks, k)
		}
		sort.Strings(ks)
		for _, k := range ks {
			x, y, z := ape(by[k])
			bias := 0.0
			for _, l := range by[k] {
				bias += l.log / float64(len(by[k]))
			}
			fmt.Printf("      %s %s n=%d mape %.2f med %.2f p90 %.1f bias %.3f phys\n", name, k, len(by[k]), x, y, z, bias)
		}
	}
	if os.Getenv("AXIS") != "" {
		group("curve", func(i int) string { return fmt.Sprint(m.curve(m.shape(&tb.Rows[i]))) })
		for a := range 4 {
			if os.Getenv("AXIS") == fmt.Sprint(a) {
				group("axis", func(i int) string { return fmt.Sprintf("%7.0f", all[i].x[a]) })
			}
		}
	}
	if os.Getenv("WORST") != "" {
		sort.Slice(cv, func(i, j int) bool {
			return math.Abs(math.Expm1(-cv[i].log)) > math.Abs(math.Expm1(-cv[j].log))
		})
		for i := 0; i < 400; i += 10 {
			l := cv[i]
			fmt.Printf("     %+v  us %.1f res %.2f left %.2f\n", *m.shape(&tb.Rows[l.row]), tb.Rows[l.row].Seconds*1e6, all[l.row].residual, l.log)
		}
	}
}

func TestExplore(t *testing.T) {
	tabs, err := ReadDir(os.Getenv("MEASURED"))
	if err != nil {
		t.Skip(err)
	}
	for _, tb := range tabs {
		if os.Getenv("CLASS") != "" && os.Getenv("CLASS") != tb.Class.String() {
			continue
		}
		if os.Getenv("HW") != "" && os.Getenv("HW") != tb.Hardware {
			continue
		}
		switch tb.Class {
		case ClassGEMM:
			m := newGEMMModel()
			explore(&m, &tb)
		case ClassDecode:
			m := newDecodeModel()
			explore(&m, &tb)
		case ClassPrefill:
			m := newPrefillModel()
			explore(&m, &tb)
		case ClassDeltaNet, ClassMamba2:
			m := newRecurrentModel()
			explore(&m, &tb)
		}
	}
}
