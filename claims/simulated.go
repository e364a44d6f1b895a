package claims

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/units"
)

// run names a simulated closed loop. It is comparable, so that each run is simulated only once.
type run struct {
	model, engine     string
	deploy            costmodel.Options
	prompt, generate  int
	clients           int
	anyGraph, endless bool
	promised, aligned bool
	datasheet         bool // whether to price at roofline, with every read from memory and the engine's host times
	host, spread      float64
	seed              uint64
}

// finest returns the finest fidelity that the device has. Simulations are priced at it, whichever
// fidelity decides the verdicts.
func (a *auditor) finest() costmodel.Fidelity { return a.fids[len(a.fids)-1] }

// serveAll simulates runs in parallel, each of them once.
func (a *auditor) serveAll(runs []run) error {
	var todo []run
	for _, r := range runs {
		if _, ok := a.served[r]; !ok && !slices.Contains(todo, r) {
			todo = append(todo, r)
		}
	}
	uncached := *a.hw // without a cache, what is read again comes from memory
	uncached.CacheBandwidth = hardware.Figure{}
	got := make([]Served, len(todo))
	g, ctx := errgroup.WithContext(a.ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, r := range todo {
		m, err := a.model(r.model)
		if err != nil {
			return err
		}
		f := a.finest()
		hw := a.hw
		if r.datasheet {
			f, hw = costmodel.Roofline, &uncached
		}
		g.Go(func() (err error) {
			got[i], err = a.serve(ctx, Serving{Model: m, Hardware: hw, Deploy: r.deploy, Fidelity: f, Engine: r.engine,
				Prompt: r.prompt, Generate: r.generate, Clients: r.clients, AnyGraph: r.anyGraph, Endless: r.endless,
				Promised: r.promised, Aligned: r.aligned, Host: r.host, Spread: r.spread, Seed: r.seed})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, r := range todo {
		a.served[r] = got[i]
	}
	return nil
}

// curve returns a run with each of the paper's numbers of clients.
func (r run) curve() []run {
	var out []run
	for _, n := range averagedClients() {
		r.clients = n
		out = append(out, r)
	}
	return out
}

// published returns the run of a model with the claim's engine and kernels; today returns it with
// those of now.
func (a *auditor) published(model string, w costmodel.Workload) run {
	return run{model: model, engine: claimEngine, deploy: asPublished(a.deploy), prompt: w.Prompt, generate: w.Generate}
}

func (a *auditor) now(model string, w costmodel.Workload) run {
	d := a.deploy
	d.KVRead, d.Diff = execution.Packed, execution.Fused
	return run{model: model, engine: todayEngine, deploy: d, prompt: w.Prompt, generate: w.Generate}
}

// gain returns the largest ratio of two curves' throughputs at equal numbers of clients, and that
// number.
func (a *auditor) gain(model, base run) (most float64, at int, err error) {
	m, b := model.curve(), base.curve()
	if err := a.serveAll(append(slices.Clone(m), b...)); err != nil {
		return 0, 0, err
	}
	for i := range m {
		if v := a.served[m[i]].Throughput / a.served[b[i]].Throughput; v > most {
			most, at = v, m[i].clients
		}
	}
	return most, at, nil
}

// gainAtLatency returns the largest ratio of throughputs at equal mean latency, over the
// latencies of the baseline's points: what a reader finds by drawing a horizontal line through
// two curves of latency against throughput. Curves are interpolated between their points, and not
// extended beyond them.
func (a *auditor) gainAtLatency(model, base run) (most float64, at int, err error) {
	m, b := model.curve(), base.curve()
	if err := a.serveAll(append(slices.Clone(m), b...)); err != nil {
		return 0, 0, err
	}
	for i := range b {
		latency := a.served[b[i]].Latency
		if v := throughputAt(a.servedCurve(m), latency) / throughputAt(a.servedCurve(b), latency); v > most {
			most, at = v, b[i].clients
		}
	}
	return most, at, nil
}

func (a *auditor) servedCurve(rs []run) (out []Served) {
	for _, r := range rs {
		out = append(out, a.served[r])
	}
	return out
}

// throughputAt returns the throughput of a curve of rising latency at a given latency or below,
// interpolated linearly between points: 0 below the first point, and the largest throughput
// beyond the last.
func throughputAt(curve []Served, latency float64) float64 {
	best := 0.0
	for i, c := range curve {
		if c.Latency <= latency {
			best = max(best, c.Throughput)
			continue
		}
		if i > 0 && curve[i-1].Latency <= latency {
			p := curve[i-1]
			best = max(best, p.Throughput+(c.Throughput-p.Throughput)*(latency-p.Latency)/(c.Latency-p.Latency))
		}
	}
	return best
}

const (
	sameClients metric = iota
	sameLatency
	largestBatches
)

// sure returns the factor by which measurements of a ratio of two models may differ from the
// ratio found in nine of ten cases, where the models' errors are independent; 1 where no
// measurements are behind the prices.
func (a *auditor) sure(model, base Price, w costmodel.Workload) float64 {
	f := a.finest()
	sum := 0.0
	for _, p := range []Price{model, base} {
		x := p.At(f)
		lo, hi, ok := x.Interval(w)
		if !ok || lo <= 0 {
			return 1
		}
		half := math.Log(hi/lo) / 2
		sum += half * half
	}
	return math.Exp(math.Sqrt(sum))
}

// simulate fills in the simulated figures of a claimed speedup: with the claim's engine and
// kernels, with today's, and which sets of causes reach the figure.
func (a *auditor) simulate(c *Claim, w costmodel.Workload, reach float64) error {
	then, at, err := a.gain(a.published(flash, w), a.published(phi, w))
	if err != nil {
		return err
	}
	c.Simulated = &then
	plain, plainAt, err := a.gain(a.published(sambaY, w), a.published(phi, w))
	if err != nil {
		return err
	}
	same, sameAt, err := a.gainAtLatency(a.published(flash, w), a.published(phi, w))
	if err != nil {
		return err
	}
	plainSame, plainSameAt, err := a.gainAtLatency(a.published(sambaY, w), a.published(phi, w))
	if err != nil {
		return err
	}
	today, todayAt, err := a.gain(a.now(flash, w), a.now(phi, w))
	if err != nil {
		return err
	}
	todaySame, _, err := a.gainAtLatency(a.now(flash, w), a.now(phi, w))
	if err != nil {
		return err
	}
	fs, err := a.causesOf(w)
	if err != nil {
		return err
	}
	model, err := a.of(flash, asPublished(a.deploy))
	if err != nil {
		return err
	}
	base, err := a.of(phi, asPublished(a.deploy))
	if err != nil {
		return err
	}
	sure := a.sure(model, base, w.WithBatch(at))
	fused := a.deploy
	fused.KVRead, fused.Diff = execution.Packed, execution.Fused
	lean, err := a.of(flash, fused)
	if err != nil {
		return err
	}
	packed, err := a.of(phi, fused)
	if err != nil {
		return err
	}
	sureNow := a.sure(lean, packed, w.WithBatch(todayAt))
	reads := packed.Memory(w.WithBatch(1)).CacheReadBytesPerToken / lean.Memory(w.WithBatch(1)).CacheReadBytesPerToken

	where := "at " + clients(at)
	if plainAt != at {
		where += " and " + clients(plainAt)
	}
	c.Quote = fmt.Sprintf("vLLM 0.7.3 could have shown %s (%s without differential attention) %s; at the same latency %s (%s). An engine with today's kernels shows %s, at the same latency %s; the architecture allows %s where nothing but cache is read.",
		ratio(then), ratio(plain), where, ratio(same), ratio(plainSame), ratio(today), ratio(todaySame), ratio(reads))
	c.step("simulated, vLLM 0.7.3 with its kernels", then, "×", "throughput of %s over %s, %s each; nine in ten measurements within %s to %s", flash, phi, clients(at), ratio(then/sure), ratio(then*sure))
	c.step("… without differential attention", plain, "×", "%s over %s, %s each", sambaY, phi, clients(plainAt))
	c.step("… at the same latency", same, "×", "throughput of %s where its mean latency is that of %s with %s", flash, phi, clients(sameAt))
	c.step("… both", plainSame, "×", "%s where its mean latency is that of %s with %s", sambaY, phi, clients(plainSameAt))
	c.step("simulated, today's engine and kernels", today, "×", "the same clients, %s; nine in ten measurements within %s to %s", clients(todayAt), ratio(today/sureNow), ratio(today*sureNow))
	c.step("… at the same latency", todaySame, "×", "as above")
	least, most := then, then
	for seed := uint64(1); seed < 5; seed++ {
		v, _, err := a.gainWith(w, func(r *run) { r.seed = seed })
		if err != nil {
			return err
		}
		least, most = min(least, v), max(most, v)
	}
	c.step("vLLM 0.7.3, other requests", most, "×", "from %s to %s over five seeds", ratio(least), ratio(most))
	hosts := map[string]float64{}
	for _, x := range []struct {
		what, how string
		change    func(*run)
	}{
		{"vLLM 0.7.3, host times nil", "they are an assumption: no served run of it was fitted", func(r *run) { r.host = tiny }},
		{"vLLM 0.7.3, host times doubled", "the same", func(r *run) { r.host = 2 }},
		{"vLLM 0.7.3, lengths of variance 30 %", "the paper's words; a standard deviation of 55 % of the mean, not of 30 %", func(r *run) { r.spread = spreadIfVariance }},
	} {
		v, n, err := a.gainWith(w, x.change)
		if err != nil {
			return err
		}
		c.step(x.what, v, "×", "%s; %s", x.how, clients(n))
		hosts[x.what] = v
	}
	any := reaching(fs, reach, func(*found) bool { return true })
	inside := reaching(fs, reach, (*found).within)
	c.Sweeps = append(c.Sweeps, causeGrid(fs, inside, any))
	g, err := a.servedGrid(w)
	if err != nil {
		return err
	}
	c.Sweeps = append(c.Sweeps, g)
	switch {
	case inside != nil:
		c.Quote += fmt.Sprintf(" %s appears between these two models, at 1–%d clients, when %s: %s, where %s serves %s.", ratio(c.Claimed), mostClients, saysOf(inside), ratio(inside.gain), phi, clients(inside.clients))
	case any != nil:
		c.Quote += fmt.Sprintf(" %s does not appear between these two models at 1–%d clients; it would when %s: %s, where the baseline serves %s.", ratio(c.Claimed), mostClients, saysOf(any), ratio(any.gain), clients(any.clients))
	default:
		c.Quote += fmt.Sprintf(" No set of causes gives %s.", ratio(c.Claimed))
	}
	among := "the claimed figure is not among them"
	if then/sure <= reach && reach <= then*sure {
		among = "the claimed figure is among them"
	}
	c.Reason += fmt.Sprintf(" Simulated, nine in ten measurements of the %s would lie from %s to %s, %s.", ratio(then), ratio(then/sure), ratio(then*sure), among)
	return a.ground(c, w, model, hosts["vLLM 0.7.3, host times doubled"], hosts["vLLM 0.7.3, host times nil"])
}

// gainWith returns the gain with the claim's engine and kernels after one change.
func (a *auditor) gainWith(w costmodel.Workload, change func(*run)) (float64, int, error) {
	m, b := a.published(flash, w), a.published(phi, w)
	change(&m)
	change(&b)
	return a.gain(m, b)
}

// tiny stands for host times of zero, because 0 stands for the engine's own.
const tiny = 1e-9

func clients(n int) string {
	if n == 1 {
		return "1 client"
	}
	return fmt.Sprintf("%d clients", n)
}

// servedGrid tabulates both models with the claim's engine and with today's, by number of
// clients.
func (a *auditor) servedGrid(w costmodel.Workload) (Grid, error) {
	g := Grid{Title: "Simulated: tokens a second, mean latency and preemptions, vLLM 0.7.3 with its kernels, then today's engine and kernels", Over: "clients"}
	rows := make([][]float64, len(averagedClients()))
	for _, of := range []func(string, costmodel.Workload) run{a.published, a.now} {
		for _, name := range []string{phi, flash} {
			rs := of(name, w).curve()
			if err := a.serveAll(rs); err != nil {
				return g, err
			}
			when := map[string]string{claimEngine: "0.7.3", todayEngine: "today"}[rs[0].engine]
			g.Columns = append(g.Columns, GridColumn{name + ", " + when, "tok/s"}, GridColumn{"latency", "s"}, GridColumn{"preempted", "count"})
			for i, r := range rs {
				s := a.served[r]
				rows[i] = append(rows[i], s.Throughput, s.Latency, float64(s.Preempted))
			}
		}
	}
	for i, n := range averagedClients() {
		g.Rows = append(g.Rows, GridRow{units.Int(float64(n)), rows[i]})
	}
	return g, nil
}

// meanLatency returns a model's mean latency averaged over the paper's numbers of clients, in
// seconds.
func (a *auditor) meanLatency(r run) (float64, error) {
	rs := r.curve()
	if err := a.serveAll(rs); err != nil {
		return 0, err
	}
	sum := 0.0
	for _, x := range rs {
		sum += a.served[x].Latency
	}
	return sum / float64(len(rs)), nil
}

// simulateCrossover finds the generation length from which on Phi4-mini-Flash answers sooner than
// the baseline.
func (a *auditor) simulateCrossover(c *Claim, longest int) error {
	if a.serve == nil {
		return nil
	}
	var failed error
	from := costmodel.LengthFrom(longest, func(g int) bool {
		w := costmodel.Workload{Prompt: longGeneration.Prompt, Generate: g}
		m, err := a.meanLatency(a.published(flash, w))
		b, err2 := a.meanLatency(a.published(phi, w))
		if err != nil || err2 != nil {
			failed = errors.Join(failed, err, err2)
		}
		return m < b
	})
	v := float64(from)
	c.Simulated = &v
	c.step("simulated, vLLM 0.7.3 with its kernels", v, "tokens", "from which the mean latency over 1 to 16 clients is less; its host times, assumed, are the same for both models")
	return failed
}

// simulateExponent finds d ln T/d ln G for the mean latency T of Phi4-mini-Flash over 1 to 16
// clients, from a tenth below to a tenth above the longest generation length G.
func (a *auditor) simulateExponent(c *Claim, w costmodel.Workload) error {
	if a.serve == nil {
		return nil
	}
	exponent := func(model string) (float64, error) {
		lo, hi := w, w
		lo.Generate, hi.Generate = w.Generate*9/10, w.Generate*11/10
		x, err := a.meanLatency(a.published(model, lo))
		if err != nil {
			return 0, err
		}
		y, err := a.meanLatency(a.published(model, hi))
		return math.Log(y/x) / math.Log(float64(hi.Generate)/float64(lo.Generate)), err
	}
	v, err := exponent(flash)
	if err != nil {
		return err
	}
	b, err := exponent(phi)
	if err != nil {
		return err
	}
	c.Simulated = &v
	c.step("simulated, vLLM 0.7.3 with its kernels", v, "", "%s, mean latency over 1 to 16 clients from %d to %d generated", flash, w.Generate*9/10, w.Generate*11/10)
	c.step("…", b, "", "%s", phi)
	return nil
}

// simulateLead finds the smallest lead of SambaY over the better of the two other models.
func (a *auditor) simulateLead(c *Claim, loads []costmodel.Workload) error {
	if a.serve == nil {
		return nil
	}
	least := math.Inf(1)
	for _, w := range loads {
		best := a.published(sambaY, w).curve()
		for _, name := range []string{sambaYOCO, phi} {
			other := a.published(name, w).curve()
			if err := a.serveAll(append(slices.Clone(best), other...)); err != nil {
				return err
			}
			for i := range best {
				least = min(least, a.served[best[i]].Throughput/a.served[other[i]].Throughput)
			}
		}
	}
	c.Simulated = &least
	c.step("simulated, vLLM 0.7.3 with its kernels", least, "×", "the least over both loads and 1, 2, 4, 8 and 16 clients")
	return nil
}
