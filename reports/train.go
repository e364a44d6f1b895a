package reports

import (
	"fmt"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/scaling"
)

// TrainJSON is what it takes to train a model.
type TrainJSON struct {
	Model       string          `json:"model"`
	Params      ParamsJSON      `json:"params"`
	Sequence    int             `json:"sequence"`
	Forward     float64         `json:"forward_flops_per_token"`
	Backward    float64         `json:"backward_flops_per_token"`
	Kinds       []TrainKindJSON `json:"kinds"`
	Tokens      float64         `json:"tokens"`
	FLOPs       float64         `json:"flops"`
	Hardware    string          `json:"hardware"`
	Compute     string          `json:"compute"`
	Peak        float64         `json:"peak_flops"`
	GPUs        int             `json:"gpus"`
	Utilisation float64         `json:"utilisation"`
	Speed       float64         `json:"tokens_per_second"`
	GPUHours    float64         `json:"gpu_hours"`
	Seconds     float64         `json:"seconds"`
	// Scan is the speed in tokens per second with a Mamba-1 scan as fast as the paper's figures
	// show on an A100; null on other devices.
	Scan *float64 `json:"tokens_per_second_with_scan"`
}

// TrainKindJSON is the share that mixers or FFNs of one kind take.
type TrainKindJSON struct {
	Kind     string  `json:"kind"`
	Layers   int     `json:"layers"`
	Forward  float64 `json:"forward_flops_per_token"`
	Backward float64 `json:"backward_flops_per_token"`
	Share    float64 `json:"share"`
}

// Train makes the JSON of a training run.
func Train(t *scaling.Training, r scaling.Run, hw *hardware.Profile, compute string, peak float64) TrainJSON {
	j := TrainJSON{Model: t.Model.Name, Params: paramsJSON(t.Model), Sequence: t.Sequence, Forward: t.Forward, Backward: t.Backward,
		Tokens: r.Tokens, FLOPs: r.FLOPs, Hardware: hw.Name, Compute: compute, Peak: peak, GPUs: r.Devices, Utilisation: r.Utilisation,
		Speed: r.TokensPerSecond, GPUHours: r.GPUHours, Seconds: r.Seconds}
	for _, k := range t.Kinds {
		j.Kinds = append(j.Kinds, TrainKindJSON(k))
	}
	if s, ok := scaling.WithScan(t, r, hw); ok {
		j.Scan = &s
	}
	return j
}

// TrainTables list training runs with one row for each model, and then the layers of each model
// by kind.
func TrainTables(js []TrainJSON) []*Table {
	first := js[0]
	t := &Table{Turn: true, Columns: []Column{
		{Name: "model", CSV: "model", Left: true},
		{Name: "params", CSV: "params", Scale: true},
		{Name: "forward", Unit: "FLOPs/tok", CSV: "forward_flops_per_token", Scale: true},
		{Name: "backward", Unit: "FLOPs/tok", CSV: "backward_flops_per_token", Scale: true},
		{Name: "tokens", CSV: "tokens", Scale: true},
		{Name: "run", Unit: "FLOPs", CSV: "flops", Scale: true},
		{Name: "tok/s", CSV: "tokens_per_second", Scale: true},
		{Name: "GPU-hours", CSV: "gpu_hours"},
		{Name: "days", CSV: "days", Plain: true},
	}}
	out := []*Table{t}
	for _, j := range js {
		t.Add(Txt(j.Model), Num(float64(j.Params.Total)), Num(j.Forward), Num(j.Backward), Num(j.Tokens), Num(j.FLOPs), Num(j.Speed), Num(j.GPUHours), Num(j.Seconds/86400))
		if j.Scan != nil {
			t.Notes = append(t.Notes, fmt.Sprintf("%s has Mamba-1 layers, whose scan runs position by position. At its speed in the paper's runs on A100 they make it %s tok/s: %.0f %% more GPU-hours than shown.",
				j.Model, SI(*j.Scan, ""), 100*(j.Speed / *j.Scan - 1)))
		}
		k := &Table{Title: j.Model + ", training FLOPs per token by kind of layer", Columns: []Column{
			{Name: "kind", CSV: "kind", Left: true}, {Name: "layers", CSV: "layers"},
			{Name: "forward", Unit: "FLOPs", CSV: "forward_flops_per_token", Scale: true},
			{Name: "backward", Unit: "FLOPs", CSV: "backward_flops_per_token", Scale: true},
			{Name: "share", CSV: "share"}}}
		for _, x := range j.Kinds {
			k.Add(Txt(x.Kind), Num(float64(x.Layers)), Num(x.Forward), Num(x.Backward), Shown(x.Share, fmt.Sprintf("%.1f %%", 100*x.Share)))
		}
		out = append(out, k)
	}
	t.Notes = append(t.Notes, fmt.Sprintf("Sequences of %s; backward is %d× forward, nothing recomputed. %s × %s at an assumed %.0f %% of %s in %s.",
		Int(float64(first.Sequence)), scaling.BackwardPerForward, Int(float64(first.GPUs)), first.Hardware, 100*first.Utilisation, SI(first.Peak, "FLOP/s"), first.Compute))
	return out
}

// SpeedsJSON compares predictions with the training speeds that the paper reports.
type SpeedsJSON struct {
	Rows []SpeedJSON `json:"rows"`
	// The next group are Spearman's rank correlations of each prediction with the measured speeds.

	FLOPs       float64 `json:"rank_correlation_flops"`
	Roofline    float64 `json:"rank_correlation_roofline"`
	WithScan    float64 `json:"rank_correlation_with_scan"`
	NotFitted   float64 `json:"rank_correlation_with_scan_rows_not_fitted"`
	Utilisation float64 `json:"matrix_utilisation"`
	ScanSeconds float64 `json:"scan_seconds_per_element"`
}

// SpeedJSON is the speed of one model, in tokens per second on 64 A100-80GB.
type SpeedJSON struct {
	Table    string  `json:"table"`
	Model    string  `json:"model"`
	Measured float64 `json:"measured_tokens_per_second"`
	FLOPs    float64 `json:"flops_tokens_per_second"`
	Roofline float64 `json:"roofline_tokens_per_second"`
	WithScan float64 `json:"with_scan_tokens_per_second"`
	Off      float64 `json:"with_scan_off"`
	Fitted   bool    `json:"fitted"`
}

// Speeds makes the JSON of the comparison.
func Speeds(cs []scaling.SpeedCheck) SpeedsJSON {
	j := SpeedsJSON{Utilisation: scaling.MatrixUtilisation, ScanSeconds: scaling.ScanSeconds}
	var all, held [4][]float64
	for _, c := range cs {
		j.Rows = append(j.Rows, SpeedJSON{c.Table, c.Spec, c.MTok * 1e6, c.ByFLOPs * 1e6, c.Roofline * 1e6, c.WithScan * 1e6, c.WithScan/c.MTok - 1, c.Fitted})
		for i, v := range [4]float64{c.MTok, c.ByFLOPs, c.Roofline, c.WithScan} {
			all[i] = append(all[i], v)
			if !c.Fitted {
				held[i] = append(held[i], v)
			}
		}
	}
	j.FLOPs, j.Roofline = scaling.RankCorrelation(all[0], all[1]), scaling.RankCorrelation(all[0], all[2])
	j.WithScan, j.NotFitted = scaling.RankCorrelation(all[0], all[3]), scaling.RankCorrelation(held[0], held[3])
	return j
}

// SpeedsTable lists the comparison.
func SpeedsTable(j SpeedsJSON) *Table {
	col := func(name, csv string) Column { return Column{Name: name, CSV: csv, Scale: true} }
	t := &Table{Title: "Training speed, tokens per second on 64 A100-80GB, ~1B models, 32K sequences", Columns: []Column{
		{Name: "table", CSV: "table"}, {Name: "model", CSV: "model", Left: true}, col("measured", "measured_tokens_per_second"),
		col("FLOPs\nalone", "flops_tokens_per_second"), col("roofline", "roofline_tokens_per_second"), col("FLOPs\nand scan", "with_scan_tokens_per_second"), {Name: "error", CSV: "with_scan_off"}}}
	for _, r := range j.Rows {
		off := signed(r.Off, 1)
		if r.Fitted {
			off = "fitted"
		}
		t.Add(Txt(r.Table), Txt(r.Model), Num(r.Measured), Num(r.FLOPs), Num(r.Roofline), Num(r.WithScan), Shown(r.Off, off))
	}
	t.Notes = append(t.Notes,
		fmt.Sprintf("Spearman's ρ with the measured speeds: FLOPs alone %.2f, roofline %.2f, FLOPs and scan %.2f (%.2f over the rows not fitted).", j.FLOPs, j.Roofline, j.WithScan, j.NotFitted),
		fmt.Sprintf("FLOPs run at %.1f %% of the bf16 peak, a Mamba-1 scan takes %.1f ps for each of its d_inner·d_state elements, forward and backward: both from the two rows that differ in the recurrence alone. Source: paper, tables 2 and 5.",
			100*j.Utilisation, j.ScanSeconds*1e12))
	return t
}
