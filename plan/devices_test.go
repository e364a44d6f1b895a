package plan

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/OWNER/ridgeline/serving"
)

// experts is a problem whose replicas may be divided in every way.
func experts(t testing.TB, engines ...string) *Problem {
	p := small(t)
	p.Models, p.Devices = []Model{model(t, "mixtral-8x7b")}, []Device{device(t, "h200", 4, 3)}
	p.Space = Space{TP: []int{1, 2}, PP: []int{1, 2}, EP: []int{1, 2, 4}, DP: []int{1, 2, 4}, Engines: engines}
	return p
}

// With pipelines, groups and spread experts too the plan is the best of simulating everything, and no
// simulated deployment costs less than its bound.
func TestBestOfAllSplits(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	found := 0
	split := map[string]int{}
	for i, engine := range []string{"vllm-0.14", "sglang", "trtllm", "ideal", "vllm-0.14", "vllm-0.7", "sglang"} {
		p := experts(t, engine)
		p.Load.Prompt.Mean = float64(50 + r.IntN(1500))
		draw(p, r, i, 150, 40, 0.008, 0.03)
		got, met := bestOfAll(t, p)
		if !met {
			continue
		}
		found++
		for _, o := range got.Finalists {
			if o.Meets {
				split[fmt.Sprint(o.PP > 1, o.DP > 1, o.EP > 1)]++
			}
		}
	}
	if found < 3 || len(split) < 4 {
		t.Errorf("only %d of the loads are met, in the splits (pp, dp, ep) %v", found, split)
	}
}

// More devices never make the best dearer, however replicas are divided.
func TestMoreDevicesToDivide(t *testing.T) {
	for _, rate := range []float64{2, 12} {
		neverDearer(t, rate, []int{1, 2, 4, 8}, func(n int) *Problem {
			p := experts(t, "vllm-0.14")
			p.Rate, p.Finalists, p.Requests = rate, 200, 100
			p.Devices[0].Count = n
			p.Space = Space{TP: []int{1, 2}, PP: []int{1, 2}, EP: []int{1, 2, 4}, DP: []int{1, 4}}
			if n < 8 { // what is not possible on so few is not asked for
				p.Space.DP = []int{1}
				p.Space.EP = []int{1, 2}
			}
			if n < 4 {
				p.Space.PP = []int{1}
			}
			if n < 2 {
				p.Space.TP, p.Space.EP = []int{1}, []int{1}
			}
			return p
		})
	}
}

// What is estimated of a divided replica that serves a steady number of users is near what the
// simulator finds.
func TestEstimateSplits(t *testing.T) {
	p := experts(t, "ideal")
	p.Rate, p.Users, p.Requests = 0, 64, 1500
	p.Load.Generate.Shape, p.Load.Generate.Spread = serving.Normal, 0.4 // of equal length answers end together, and prompts come together
	all, err := p.Estimates(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	n, worst := 0, 0.0
	for _, c := range all {
		if c.Why != "" {
			continue
		}
		n++
		d, o := simulated(t, p, c)
		q := newServer(c.at.t, d.Limits, c.Ratio, nil).under(1)
		worst = math.Max(worst, math.Abs(q.tpot/o.TPOT-1))
		if math.Abs(q.tpot/o.TPOT-1) > 0.2 {
			t.Errorf("tp %d pp %d ep %d dp %d: a token takes %g s by the estimate, %g simulated", c.TP, c.PP, c.EP, c.DP, q.tpot, o.TPOT)
		}
	}
	if n < 10 {
		t.Errorf("only %d deployments", n)
	}
	t.Logf("%d deployments, at most %.1f %% apart", n, 100*worst)
}

// A prompt's share of its replica's time, by hand: groups that are replicas bear one of so many
// each; of groups that wait, all bear a lone prompt, and prompts in every group at once one of them.
func TestPromptsOfGroups(t *testing.T) {
	for _, x := range []struct {
		l           lanes
		b, generate float64
		want        float64
	}{
		{lanes{1, 1}, 50, 100, 1},
		{lanes{4, 1}, 50, 100, 0.25},
		{lanes{4, 4}, 1e-6, 100, 1},
		{lanes{4, 4}, 1e9, 100, 0.25},
		{lanes{4, 2}, 1e-6, 100, 0.5},
		{lanes{2, 2}, 100, 100, (1 + 1 - math.Exp(-1)) / 2}, // a prompt a step
	} {
		if got := x.l.prompts(x.b, x.generate); math.Abs(got-x.want) > 1e-6 {
			t.Errorf("%+v, %g sequences: %g, want %g", x.l, x.b, got, x.want)
		}
	}
}
