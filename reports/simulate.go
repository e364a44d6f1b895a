package reports

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/OWNER/ridgeline/serving"
)

// SimulateRow is one simulated load of one model as the command line prints it. Fields with names
// that vLLM's benchmark has mean the same as there (times in milliseconds). Fields are stable:
// new ones are added, none is renamed, and a figure that does not exist is left out.
type SimulateRow struct {
	Model    string `json:"model"`
	Hardware string `json:"hardware"`
	TP       int    `json:"tp"`
	PP       int    `json:"pp,omitempty"` // pipeline stages of a replica, where there are several
	EP       int    `json:"ep,omitempty"` // devices over which its experts are spread, where there are several
	DP       int    `json:"dp,omitempty"` // groups of devices with a scheduler and a cache of their own, where there are several
	Engine   string `json:"engine"`
	Fidelity string `json:"fidelity"`
	Basis    string `json:"basis"`
	Replicas int    `json:"replicas"`
	Load     string `json:"load"`

	MaxConcurrency int      `json:"max_concurrency,omitempty"`
	RequestRate    *float64 `json:"request_rate,omitempty"`
	Burstiness     *float64 `json:"burstiness,omitempty"`
	NumPrompts     int      `json:"num_prompts"`

	Duration              float64  `json:"duration"`
	Completed             int      `json:"completed"`
	Failed                int      `json:"failed"`
	TotalInputTokens      int      `json:"total_input_tokens"`
	TotalOutputTokens     int      `json:"total_output_tokens"`
	RequestThroughput     float64  `json:"request_throughput"`
	RequestGoodput        *float64 `json:"request_goodput,omitempty"`
	GoodShare             *float64 `json:"good_share,omitempty"`
	OutputThroughput      float64  `json:"output_throughput"`
	TotalTokenThroughput  float64  `json:"total_token_throughput"`
	MaxConcurrentRequests int      `json:"max_concurrent_requests"`

	MeanTTFT   *float64 `json:"mean_ttft_ms,omitempty"`
	MedianTTFT *float64 `json:"median_ttft_ms,omitempty"`
	StdTTFT    *float64 `json:"std_ttft_ms,omitempty"`
	P50TTFT    *float64 `json:"p50_ttft_ms,omitempty"`
	P90TTFT    *float64 `json:"p90_ttft_ms,omitempty"`
	P99TTFT    *float64 `json:"p99_ttft_ms,omitempty"`
	MeanTPOT   *float64 `json:"mean_tpot_ms,omitempty"`
	MedianTPOT *float64 `json:"median_tpot_ms,omitempty"`
	StdTPOT    *float64 `json:"std_tpot_ms,omitempty"`
	P50TPOT    *float64 `json:"p50_tpot_ms,omitempty"`
	P90TPOT    *float64 `json:"p90_tpot_ms,omitempty"`
	P99TPOT    *float64 `json:"p99_tpot_ms,omitempty"`
	MeanITL    *float64 `json:"mean_itl_ms,omitempty"`
	MedianITL  *float64 `json:"median_itl_ms,omitempty"`
	StdITL     *float64 `json:"std_itl_ms,omitempty"`
	P50ITL     *float64 `json:"p50_itl_ms,omitempty"`
	P90ITL     *float64 `json:"p90_itl_ms,omitempty"`
	P99ITL     *float64 `json:"p99_itl_ms,omitempty"`
	MeanE2EL   *float64 `json:"mean_e2el_ms,omitempty"`
	MedianE2EL *float64 `json:"median_e2el_ms,omitempty"`
	StdE2EL    *float64 `json:"std_e2el_ms,omitempty"`
	P50E2EL    *float64 `json:"p50_e2el_ms,omitempty"`
	P90E2EL    *float64 `json:"p90_e2el_ms,omitempty"`
	P99E2EL    *float64 `json:"p99_e2el_ms,omitempty"`

	Preemptions   int      `json:"preemptions"`
	PrefixHitRate float64  `json:"prefix_hit_rate"`
	KVPeak        float64  `json:"kv_peak"` // the largest share of the cache's blocks in use at any time
	KVBlocks      int      `json:"kv_blocks"`
	KVBlockTokens int      `json:"kv_block_tokens"`
	BatchMean     float64  `json:"batch_mean"`
	Steps         int      `json:"steps"`
	EagerShare    float64  `json:"eager_share"`
	Unservable    int      `json:"unservable"`
	UnservableWhy string   `json:"unservable_why,omitempty"`
	Timeouts      int      `json:"timeouts"`
	QueueMean     *float64 `json:"mean_queue_ms,omitempty"`

	// The next group is of runs in which some replicas work prompts and others decode.

	PrefillReplicas int      `json:"prefill_replicas,omitempty"` // replicas that only work prompts
	DecodeReplicas  int      `json:"decode_replicas,omitempty"`  // replicas that only decode
	MeanHandover    *float64 `json:"mean_handover_ms,omitempty"` // from the end of a prompt's work to where its first token is decoded: waiting for room, waiting for the link, and the transfer
	MeanTransfer    *float64 `json:"mean_transfer_ms,omitempty"` // of that, the transfer

	// The next group is of speculative decoding, with the names of vLLM's benchmark.

	Drafts           int      `json:"spec_decode_num_drafts,omitempty"`        // steps of sequences that verified drafted tokens
	DraftTokens      int      `json:"spec_decode_draft_tokens,omitempty"`      // draft tokens proposed in those steps
	AcceptedTokens   int      `json:"spec_decode_accepted_tokens,omitempty"`   // draft tokens accepted
	AcceptanceRate   *float64 `json:"spec_decode_acceptance_rate,omitempty"`   // the share of draft tokens that was accepted, in percent
	AcceptanceLength *float64 `json:"spec_decode_acceptance_length,omitempty"` // the mean number of tokens that a step generates for a sequence

	// The next group are shares of the time that a request spends in the system; they add up to 1.

	WeightsShare float64 `json:"weights_share"`
	CacheShare   float64 `json:"cache_share"`
	PrefillShare float64 `json:"prefill_share"`
	HostShare    float64 `json:"host_share"`
	WaitingShare float64 `json:"waiting_share"`
	Why          string  `json:"why"`

	// Warnings are what a reader should know before using the figures.
	Warnings []string `json:"warnings,omitempty"`

	Seeds    int                   `json:"seeds"`
	Interval map[string][2]float64 `json:"interval,omitempty"`         // 90 % intervals of the means over seeds, by field
	Kernels  map[string][2]float64 `json:"interval_kernels,omitempty"` // the means with every kernel at the lower and at the upper bound of its calibration, by field
}

// SimulateSetting is what a row was asked to simulate.
type SimulateSetting struct {
	Model, Hardware, Fidelity, Basis, Load string
	TP, PP, EP, DP                         int
	Replicas, Clients, Requests            int
	Rate, Burstiness                       float64 // requests a second and their burstiness; 0 where clients send requests instead
	SLO                                    serving.SLO
	Warnings                               []string
	Apart                                  *serving.Apart // how replicas are divided between prompts and decoding; nil where every replica does both
}

// Simulate makes the row for the outcome of a simulation.
func Simulate(s SimulateSetting, d *serving.Deployment, o *serving.Outcome) *SimulateRow {
	m := &o.Metrics
	r := &SimulateRow{Model: s.Model, Hardware: s.Hardware, TP: s.TP, PP: several(s.PP), EP: several(s.EP), DP: several(s.DP), Engine: d.Profile.Name, Fidelity: s.Fidelity, Basis: s.Basis,
		Replicas: s.Replicas, Load: s.Load, MaxConcurrency: s.Clients, NumPrompts: s.Requests,
		Duration: m.Duration, Completed: m.Completed, Failed: m.Unservable + m.Timeouts, TotalInputTokens: m.InputTokens, TotalOutputTokens: m.OutputTokens,
		RequestThroughput: m.RequestThroughput, OutputThroughput: m.OutputThroughput, TotalTokenThroughput: m.TotalThroughput, MaxConcurrentRequests: m.MaxConcurrent,
		Preemptions: o.Stats.Preemptions, KVPeak: o.Stats.PeakCache, KVBlocks: d.Limits.Blocks, KVBlockTokens: d.Limits.Layout.BlockTokens(), BatchMean: o.Stats.Batch(), Steps: o.Stats.Steps,
		Unservable: m.Unservable, Timeouts: m.Timeouts,
		WeightsShare: m.Weights, Warnings: s.Warnings, CacheShare: m.Cache, PrefillShare: m.Prefill, HostShare: m.Host, WaitingShare: m.Waiting, Why: o.Why(), Seeds: o.Seeds}
	if s.Rate > 0 {
		r.RequestRate, r.Burstiness = &s.Rate, &s.Burstiness
	}
	if s.SLO.Set() {
		r.RequestGoodput, r.GoodShare = &m.Goodput, &m.GoodShare
	}
	if o.Stats.PromptTokens > 0 {
		r.PrefixHitRate = float64(o.Stats.CachedTokens) / float64(o.Stats.PromptTokens)
	}
	if o.Stats.Steps > 0 {
		r.EagerShare = float64(o.Stats.EagerSteps) / float64(o.Stats.Steps)
	}
	for i := range o.First.Requests {
		if q := &o.First.Requests[i]; q.Status == serving.Unservable {
			r.UnservableWhy = q.Why
			break
		}
	}
	r.MeanTTFT, r.MedianTTFT, r.StdTTFT, r.P50TTFT, r.P90TTFT, r.P99TTFT = millis(m.TTFT)
	r.MeanTPOT, r.MedianTPOT, r.StdTPOT, r.P50TPOT, r.P90TPOT, r.P99TPOT = millis(m.TPOT)
	r.MeanITL, r.MedianITL, r.StdITL, r.P50ITL, r.P90ITL, r.P99ITL = millis(m.ITL)
	r.MeanE2EL, r.MedianE2EL, r.StdE2EL, r.P50E2EL, r.P90E2EL, r.P99E2EL = millis(m.E2E)
	r.QueueMean, _, _, _, _, _ = millis(m.Queue)
	r.speculated(d, &o.Stats)
	r.apart(s.Apart, o)
	type figure struct {
		name string
		of   func(*serving.Metrics) float64
	}
	figures := []figure{
		{"output_throughput", func(m *serving.Metrics) float64 { return m.OutputThroughput }},
		{"request_throughput", func(m *serving.Metrics) float64 { return m.RequestThroughput }},
		{"mean_ttft_ms", func(m *serving.Metrics) float64 { return 1e3 * m.TTFT.Mean }},
		{"p99_ttft_ms", func(m *serving.Metrics) float64 { return 1e3 * m.TTFT.P99 }},
		{"mean_tpot_ms", func(m *serving.Metrics) float64 { return 1e3 * m.TPOT.Mean }},
		{"p99_tpot_ms", func(m *serving.Metrics) float64 { return 1e3 * m.TPOT.P99 }},
		{"mean_itl_ms", func(m *serving.Metrics) float64 { return 1e3 * m.ITL.Mean }},
		{"mean_e2el_ms", func(m *serving.Metrics) float64 { return 1e3 * m.E2E.Mean }},
		{"p99_e2el_ms", func(m *serving.Metrics) float64 { return 1e3 * m.E2E.P99 }},
	}
	for _, f := range figures {
		v, half := f.of(m), f.of(&o.Seed)
		if o.Seeds > 1 && finite(v) && finite(half) {
			if r.Interval == nil {
				r.Interval = map[string][2]float64{}
			}
			r.Interval[f.name] = [2]float64{v - half, v + half}
		}
		if o.Low != nil && o.High != nil {
			a, b := f.of(o.Low), f.of(o.High)
			if finite(a) && finite(b) {
				if r.Kernels == nil {
					r.Kernels = map[string][2]float64{}
				}
				r.Kernels[f.name] = [2]float64{min(a, b), max(a, b)}
			}
		}
	}
	return r
}

// several is a number of ranks, 0 where there is one.
func several(n int) int {
	if n <= 1 {
		return 0
	}
	return n
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func millis(s serving.Summary) (mean, median, std, p50, p90, p99 *float64) {
	ms := func(v float64) *float64 {
		if !finite(v) {
			return nil
		}
		v *= 1e3
		return &v
	}
	return ms(s.Mean), ms(s.Median), ms(s.Std), ms(s.Median), ms(s.P90), ms(s.P99)
}

// SimulateTable lists simulated loads.
func SimulateTable(title string, rows []*SimulateRow) *Table {
	goodput, many, preempted, failed := false, false, false, false
	for _, r := range rows {
		goodput = goodput || r.RequestGoodput != nil
		many = many || r.Model != rows[0].Model || r.Engine != rows[0].Engine
		preempted = preempted || r.Preemptions > 0
		failed = failed || r.Failed > 0
	}
	t := &Table{Title: title, Turn: true}
	add := func(c Column) { t.Columns = append(t.Columns, c) }
	add(Column{Name: "load", CSV: "load", Left: true})
	seconds := func(name, csv string) Column {
		return Column{Name: name, Unit: "s", CSV: csv + "_seconds", Scale: true}
	}
	add(Column{Name: "throughput", Unit: "tok/s", CSV: "output_throughput", Plain: true})
	add(Column{Name: "requests", Unit: "1/s", CSV: "request_throughput", Plain: true})
	if goodput {
		add(Column{Name: "goodput", Unit: "1/s", CSV: "request_goodput", Plain: true})
		add(Column{Name: "meet SLO", Unit: "%", CSV: "good_percent", Plain: true})
	}
	for _, x := range []struct{ name, csv string }{{"TTFT", "ttft"}, {"TPOT", "tpot"}, {"ITL", "itl"}, {"end to end", "e2el"}} {
		add(seconds(x.name+"\nmean", "mean_"+x.csv))
		add(seconds(x.name+"\np50", "p50_"+x.csv))
		add(seconds(x.name+"\np90", "p90_"+x.csv))
		add(seconds(x.name+"\np99", "p99_"+x.csv))
	}
	if rows[0].PrefillReplicas > 0 {
		add(Column{Name: "handed over\nmean", Unit: "s", CSV: "mean_handover_seconds", Scale: true})
		add(Column{Name: "of that\ntransfer", Unit: "s", CSV: "mean_transfer_seconds", Scale: true})
	}
	add(Column{Name: "batch\nmean", CSV: "batch_mean", Plain: true})
	if rows[0].AcceptanceLength != nil {
		add(Column{Name: "tokens\na step", CSV: "acceptance_length", Plain: true})
	}
	add(Column{Name: "cache\npeak", Unit: "%", CSV: "kv_peak_percent", Plain: true})
	if preempted {
		add(Column{Name: "preempted", CSV: "preemptions"})
	}
	if failed {
		add(Column{Name: "not served", CSV: "failed"})
	}
	for _, x := range []string{"weights", "cache", "prefill", "host", "waiting"} {
		add(Column{Name: "time in\n" + x, Unit: "%", CSV: x + "_percent", Plain: true})
	}
	for _, r := range rows {
		name := r.Load
		if many {
			name = r.Model + ", " + r.Load
			if r.Engine != rows[0].Engine {
				name += ", " + r.Engine
			}
		}
		cells := []Cell{Txt(name), Num(r.OutputThroughput), Num(r.RequestThroughput)}
		if goodput {
			cells = append(cells, orDash(r.RequestGoodput, 1), orDash(r.GoodShare, 100))
		}
		for _, v := range []*float64{r.MeanTTFT, r.P50TTFT, r.P90TTFT, r.P99TTFT, r.MeanTPOT, r.P50TPOT, r.P90TPOT, r.P99TPOT, r.MeanITL, r.P50ITL, r.P90ITL, r.P99ITL, r.MeanE2EL, r.P50E2EL, r.P90E2EL, r.P99E2EL} {
			cells = append(cells, orDash(v, 1e-3))
		}
		if rows[0].PrefillReplicas > 0 {
			cells = append(cells, orDash(r.MeanHandover, 1e-3), orDash(r.MeanTransfer, 1e-3))
		}
		cells = append(cells, Num(r.BatchMean))
		if rows[0].AcceptanceLength != nil {
			cells = append(cells, orDash(r.AcceptanceLength, 1))
		}
		cells = append(cells, Num(100*r.KVPeak))
		if preempted {
			cells = append(cells, Num(float64(r.Preemptions)))
		}
		if failed {
			cells = append(cells, Num(float64(r.Failed)))
		}
		for _, v := range []float64{r.WeightsShare, r.CacheShare, r.PrefillShare, r.HostShare, r.WaitingShare} {
			cells = append(cells, Num(100*v))
		}
		t.Add(cells...)
	}
	for _, r := range rows {
		lead := r.Load
		if many {
			lead = r.Model + ", " + lead
		}
		note := lead + ": " + r.Why
		if v, ok := r.Interval["output_throughput"]; ok {
			note += fmt.Sprintf(" 90 %% over %d seeds: %s to %s tok/s", r.Seeds, Digits(v[0]), Digits(v[1]))
			if e, ok := r.Interval["mean_tpot_ms"]; ok {
				note += fmt.Sprintf(", TPOT %s to %s ms", Digits(e[0]), Digits(e[1]))
			}
			note += "."
		}
		if v, ok := r.Kernels["output_throughput"]; ok {
			note += fmt.Sprintf(" At the bounds of the kernels' calibration: %s to %s tok/s.", Digits(v[0]), Digits(v[1]))
			if r.OutputThroughput < 0.99*v[0] || r.OutputThroughput > 1.01*v[1] {
				note += " The figure above is not between them: where steps take another time, other sequences are in one step together, and under this load that changes more than the kernels do."
			}
		}
		if r.Unservable > 0 {
			note += fmt.Sprintf(" %d requests cannot be served: %s.", r.Unservable, r.UnservableWhy)
		}
		if r.Timeouts > 0 {
			note += fmt.Sprintf(" %d clients gave up.", r.Timeouts)
		}
		t.Notes = append(t.Notes, note)
	}
	return t
}

func orDash(v *float64, times float64) Cell {
	if v == nil {
		return Txt("–")
	}
	return Num(*v * times)
}

// WriteRequests writes one line of CSV for each request of a run; times are in seconds.
func WriteRequests(w io.Writer, r *serving.Result) error {
	c := csv.NewWriter(w)
	if err := c.Write([]string{"id", "arrival", "prompt", "generate", "status", "replica", "queue_seconds", "ttft_seconds", "tpot_seconds", "e2e_seconds", "cached_tokens", "preemptions", "why"}); err != nil {
		return err
	}
	f := func(v float64) string { return strconv.FormatFloat(v, 'g', 9, 64) }
	for i := range r.Requests {
		q := &r.Requests[i]
		row := []string{strconv.Itoa(q.ID), f(q.Arrive), strconv.Itoa(q.Prompt), strconv.Itoa(q.Generate), q.Status.String(), strconv.Itoa(q.Replica), "", "", "", "", strconv.Itoa(q.Cached), strconv.Itoa(q.Preemptions), q.Why}
		if q.Status == serving.Done {
			row[6], row[7], row[9] = f(q.Scheduled-q.Arrive), f(q.TTFT()), f(q.E2E())
			if t, ok := q.TPOT(); ok {
				row[8] = f(t)
			}
		}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// ServingEngineTable shows the settings of a simulated engine, and where each default comes from.
func ServingEngineTable(d *serving.Deployment) *Table {
	t := &Table{Title: fmt.Sprintf("%s (%s) as deployed", d.Profile.Title, d.Profile.Name), Columns: []Column{
		{Name: "setting", CSV: "setting", Left: true}, {Name: "value", CSV: "value", Left: true}, {Name: "default from", CSV: "source", Left: true}}}
	for _, s := range d.Describe() {
		t.Add(Txt(s.Name), Txt(s.Value), Txt(s.Source))
	}
	t.Notes = d.Notes
	return t
}
