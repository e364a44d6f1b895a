package calibrate

import (
	"context"
	"fmt"
	"os"
	"sort"
	"testing"
	"time"

	"ridgeline/hardware"
)

func TestExplore(t *testing.T) {
	tabs, err := ReadDir(os.Getenv("MEASURED"))
	if err != nil {
		t.Skip(err)
	}
	var ps []*Profile
	for _, name := range []string{"a100-80gb", "h200", "b200", "l40s"} {
		if os.Getenv("HW") != "" && os.Getenv("HW") != name {
			continue
		}
		hw, err := hardware.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		var mine []Table
		for _, tb := range tabs {
			if os.Getenv("CLASS") != "" && os.Getenv("CLASS") != tb.Class.String() {
				continue
			}
			mine = append(mine, tb)
		}
		start := time.Now()
		p, r, err := Fit(context.Background(), mine, hw, Options{Folds: 5})
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
		fmt.Printf("== %s %.1fs\n", name, time.Since(start).Seconds())
		for _, te := range r.Tables {
			fmt.Printf("%-30s n=%5d mape %.2f med %.2f p90 %.1f >20us %.2f\n", te.File, te.Rows, te.MAPE*100, te.MedianAPE*100, te.P90APE*100, te.MAPEOver20*100)
		}
		for _, te := range Check(p, mine) {
			fmt.Printf("   in-sample %-30s mape %.2f med %.2f cover %.1f\n", te.File, te.MAPE*100, te.MedianAPE*100, te.Coverage*100)
		}
		if os.Getenv("SIZES") != "" {
			for _, s := range r.Sizes {
				fmt.Printf("   %s %.3g-%.3g us n=%d mape %.2f p90 %.1f bias %.3f\n", s.Class, s.From*1e6, s.To*1e6, s.Rows, s.MAPE*100, s.P90APE*100, s.Bias)
			}
		}
		if os.Getenv("CURVES") != "" {
			fmt.Printf("%+v\n%+v\n%+v\n%+v\n", p.gemm.Curves, p.decode.Curves, p.prefill.Curves, p.recurrent.Curves)
		}
		f, _ := os.Create("/tmp/prof_" + name + ".yaml")
		p.WriteYAML(f)
		st, _ := f.Stat()
		fmt.Println("   size", st.Size())
		f.Close()
		b, _ := os.ReadFile("/tmp/prof_" + name + ".yaml")
		start = time.Now()
		q, err := Parse("x", b)
		if err != nil {
			t.Error(err)
		} else {
			fmt.Println("   parse", time.Since(start), Check(q, mine)[0].MAPE)
		}
		if os.Getenv("LEAVE") != "" {
			for i := range mine {
				tb := &mine[i]
				if tb.Hardware != name {
					continue
				}
				for h := Cells; h <= Contexts; h++ {
					te, ok, err := LeaveOut(context.Background(), tb, hw, h, Options{Folds: 5, Evaluations: 450})
					if err != nil {
						t.Fatal(err)
					}
					if ok {
						fmt.Printf("   leave %-10s %-30s mape %.2f med %.2f p90 %.1f >20us %.2f cover %.1f\n", h, te.File, te.MAPE*100, te.MedianAPE*100, te.P90APE*100, te.MAPEOver20*100, te.Coverage*100)
					}
				}
			}
		}
	}
	if os.Getenv("TRANSFER") != "" {
		for _, to := range ps {
			var mean []*Profile
			for _, from := range ps {
				if from != to {
					mean = append(mean, from)
				}
			}
			for _, from := range mean {
				for _, keep := range []bool{false, true} {
					q := from.transfer(to.hardware, to.device, keep, 2)
					fmt.Printf("%s -> %s keep %v: ", from.hardware, to.hardware, keep)
					for _, te := range Check(q, tabs) {
						fmt.Printf(" %s %.1f(%.0f)", te.Class, te.MAPE*100, te.Coverage*100)
					}
					fmt.Println()
				}
			}
		}
	}
	if os.Getenv("WORST") != "" {
		for _, tb := range tabs {
			if os.Getenv("CLASS") != tb.Class.String() || os.Getenv("HW") != tb.Hardware {
				continue
			}
			p := ps[0]
			switch tb.Class {
			case ClassDecode:
				cv(&p.decode, p, &tb)
			case ClassGEMM:
				cv(&p.gemm, p, &tb)
			case ClassPrefill:
				cv(&p.prefill, p, &tb)
			}
		}
	}
}

func cv[S any](m fitted[S], p *Profile, tb *Table) {
	errs, _ := crossValidate(context.Background(), m, &p.device, tb.Rows, 5)
	sort.Slice(errs, func(i, j int) bool { return errs[i].ape() > errs[j].ape() })
	skip := 10
	if os.Getenv("SKIP") != "" {
		fmt.Sscan(os.Getenv("SKIP"), &skip)
	}
	for i := range 60 {
		e := errs[i*skip]
		r := &tb.Rows[e.row]
		fmt.Printf("   %s measured %.1f cv %.1f phys %.1f\n", r.describe(tb.Class), r.Seconds*1e6, e.seconds*1e6, m.physics(&p.device, m.shape(r))*1e6)
	}
}
