package check

import (
	"context"
	"math"
	"sort"
	"sync/atomic"
)

// Report says how far the simulator is from measured runs. A part for which there were no
// measurements is left out.
type Report struct {
	Rows           *int     `json:"rows,omitempty"` // how many rows of a table of whole runs were simulated
	TPOTMAPE       *float64 `json:"tpot_mape,omitempty"`
	TPOTMedian     *float64 `json:"tpot_median_ape,omitempty"`
	TTFTMAPE       *float64 `json:"ttft_mape,omitempty"`
	TTFTMedian     *float64 `json:"ttft_median_ape,omitempty"`
	By             []Group  `json:"by,omitempty"`
	SteadyTPOTMAPE *float64 `json:"one_protocol_tpot_mape,omitempty"`       // mean error over the groups in which all clients follow one protocol
	SteadyTTFTMed  *float64 `json:"one_protocol_ttft_median_ape,omitempty"` // median error over the same groups
	SteadyRows     int      `json:"one_protocol_rows,omitempty"`
	// Of those, the rows that no host time was fitted to.
	HeldOutTPOT    *float64 `json:"held_out_tpot_mape,omitempty"`
	HeldOutTTFT    *float64 `json:"held_out_ttft_mape,omitempty"`
	HeldOutTTFTMed *float64 `json:"held_out_ttft_median_ape,omitempty"`
	HeldOutRows    int      `json:"held_out_rows,omitempty"`

	Runs []*RunResult `json:"runs,omitempty"`
	// Medians over the runs, and the largest error of a run that was not overloaded.
	RunsTTFTMedian *float64 `json:"runs_ttft_median_ape,omitempty"`
	RunsTPOTMedian *float64 `json:"runs_tpot_median_ape,omitempty"`
	RunsE2EMedian  *float64 `json:"runs_e2e_median_ape,omitempty"`

	Skipped []Skipped `json:"skipped"`
}

// Group holds the rows of one model, system and engine.
type Group struct {
	Model    string  `json:"model"`
	System   string  `json:"system"`
	Engine   string  `json:"engine"`
	Version  string  `json:"engine_version"`
	Rows     int     `json:"rows"`
	TPOTMAPE float64 `json:"tpot_mape"`
	TTFTMAPE float64 `json:"ttft_mape"`
	TPOTMed  float64 `json:"tpot_median_ape"`
	TTFTMed  float64 `json:"ttft_median_ape"`
	TPOTBias float64 `json:"tpot_median_bias"` // with its sign
	TTFTBias float64 `json:"ttft_median_bias"`
	HeldTPOT float64 `json:"held_out_tpot_mape"` // of the rows that no host time was fitted to
	HeldTTFT float64 `json:"held_out_ttft_median_ape"`
	HeldRows int     `json:"held_out_rows"`
	One      bool    `json:"one_protocol"`
	Note     string  `json:"note,omitempty"` // why its rows are not of one protocol
}

// fewestRows is how many rows a group needs to be judged: fewer are one-off settings.
const fewestRows = 10

// Make simulates the measurements of a folder and reports on them.
func Make(ctx context.Context, d *Data, progress func(done, total int)) (*Report, error) {
	r := &Report{Skipped: append([]Skipped{}, d.Skipped...)}
	if d.Table != "" {
		rows, err := ReadTable(d.Table)
		if err != nil {
			return nil, err
		}
		if err := r.table(ctx, rows, progress); err != nil {
			return nil, err
		}
	}
	if len(d.Runs) > 0 {
		runs, skipped, err := ReplayAll(ctx, d.Runs, progress)
		if err != nil {
			return nil, err
		}
		r.Runs = runs
		for _, s := range skipped {
			r.Skipped = skip(r.Skipped, s.Reason, s.Rows)
		}
		var ttft, tpot, e2e []float64
		for _, x := range runs {
			ttft, tpot, e2e = append(ttft, x.TTFT.APE()), append(tpot, x.TPOT.APE()), append(e2e, x.E2E.APE())
		}
		if len(runs) > 0 {
			r.RunsTTFTMedian, r.RunsTPOTMedian, r.RunsE2EMedian = ptr(median(ttft)), ptr(median(tpot)), ptr(median(e2e))
		}
	}
	return r, nil
}

func ptr(v float64) *float64 { return &v }

func (r *Report) table(ctx context.Context, rows []Row, progress func(done, total int)) error {
	type key struct{ model, system, engine, version, precision string }
	var order []key
	groups := map[key][]int{}
	for i := range rows {
		x := &rows[i]
		k := key{x.Model, x.System, x.Engine, x.Version, x.Precision.String()}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], i)
	}
	var done atomic.Int64
	got, err := SimulateRows(ctx, rows, func() {
		if n := done.Add(1); progress != nil {
			progress(int(n), len(rows))
		}
	})
	if err != nil {
		return err
	}
	var tpot, ttft, oneTPOT, oneTTFT, heldTPOT, heldTTFT []float64
	for _, k := range order {
		var gt, gf, bt, bf, ht, hf []float64
		fitted := fittedTo(&rows[groups[k][0]])
		for n, i := range groups[k] {
			x := &got[i]
			if x.Reason != "" {
				r.Skipped = skip(r.Skipped, x.Reason, 1)
				continue
			}
			a, b := Pair{x.TPOT, x.SimTPOT}, Pair{x.TTFT, x.SimTTFT}
			gt, gf = append(gt, a.APE()), append(gf, b.APE())
			bt, bf = append(bt, a.Simulated/a.Measured-1), append(bf, b.Simulated/b.Measured-1)
			if !fitted || n%2 == 1 {
				ht, hf = append(ht, a.APE()), append(hf, b.APE())
			}
		}
		if len(gt) == 0 {
			continue
		}
		g := Group{Model: k.model, System: k.system, Engine: k.engine, Version: k.version, Rows: len(gt), TPOTMAPE: mean(gt), TTFTMAPE: mean(gf),
			TPOTMed: median(gt), TTFTMed: median(gf), TPOTBias: median(bt), TTFTBias: median(bf), HeldRows: len(ht)}
		if len(ht) > 0 {
			g.HeldTPOT, g.HeldTTFT = mean(ht), median(hf)
		}
		g.Note = mixed(rows, groups[k])
		g.One = g.Note == ""
		if g.One {
			oneTPOT, oneTTFT = append(oneTPOT, gt...), append(oneTTFT, gf...)
			heldTPOT, heldTTFT = append(heldTPOT, ht...), append(heldTTFT, hf...)
		}
		r.By = append(r.By, g)
		tpot, ttft = append(tpot, gt...), append(ttft, gf...)
	}
	n := len(tpot)
	r.Rows = &n
	if n == 0 {
		return nil
	}
	r.TPOTMAPE, r.TPOTMedian, r.TTFTMAPE, r.TTFTMedian = ptr(mean(tpot)), ptr(median(tpot)), ptr(mean(ttft)), ptr(median(ttft))
	if len(oneTPOT) > 0 {
		r.SteadyTPOTMAPE, r.SteadyTTFTMed, r.SteadyRows = ptr(mean(oneTPOT)), ptr(median(oneTTFT)), len(oneTPOT)
	}
	if len(heldTPOT) > 0 {
		r.HeldOutTPOT, r.HeldOutTTFT, r.HeldOutTTFTMed, r.HeldOutRows = ptr(mean(heldTPOT)), ptr(mean(heldTTFT)), ptr(median(heldTTFT)), len(heldTPOT)
	}
	return nil
}

// mixed says why rows of a group cannot be of one protocol, from the rows alone: too few to
// tell, runs of one setting that contradict each other, or times to first token that fall
// where there are more clients.
func mixed(rows []Row, of []int) string {
	if len(of) < fewestRows {
		return "too few rows to judge"
	}
	type setting struct{ tp, prompt, generate int }
	by := map[setting][]int{}
	var keys []setting
	for _, i := range of {
		s := setting{rows[i].TP, rows[i].Prompt, rows[i].Generate}
		if by[s] == nil {
			keys = append(keys, s)
		}
		by[s] = append(by[s], i)
	}
	falls, pairs := 0, 0
	for _, s := range keys {
		is := by[s]
		sort.SliceStable(is, func(a, b int) bool { return rows[is[a]].Concurrency < rows[is[b]].Concurrency })
		for j := 1; j < len(is); j++ {
			a, b := &rows[is[j-1]], &rows[is[j]]
			if a.Concurrency == b.Concurrency {
				if math.Abs(math.Log(a.TPOT/b.TPOT)) > math.Ln2 {
					return "runs of one setting differ by more than twice"
				}
				continue
			}
			pairs++
			if b.TTFT < 0.95*a.TTFT {
				falls++
			}
		}
	}
	if pairs > 0 && 5*falls > pairs {
		return "time to first token falls as clients are added: rows of several protocols"
	}
	return ""
}
