package costmodel

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/ceil"
)

// MaxRanks bounds every kind of rank: past it a number is a typing error.
const MaxRanks = 1 << 16

// checkRanks reports the first number of ranks that cannot be.
func (o *Options) checkRanks() error {
	for _, n := range []struct {
		name string
		v    int
	}{{"tp", o.TP}, {"pp", o.PP}, {"ep", o.EP}, {"dp", o.DP}, {"microbatches", o.Microbatches}} {
		if n.v < 0 || n.v > MaxRanks {
			return fmt.Errorf("%s %d is not from 1 to %d", n.name, n.v, MaxRanks)
		}
	}
	tp, pp, ep, dp := max(o.TP, 1), max(o.PP, 1), max(o.EP, 1), max(o.DP, 1)
	if n := tp * dp; n > MaxRanks || n*pp > MaxRanks {
		return fmt.Errorf("tp %d × pp %d × dp %d are more than %d devices", tp, pp, dp, MaxRanks)
	}
	if tp%ep != 0 && (ep%tp != 0 || tp*dp%ep != 0) {
		return fmt.Errorf("ep %d: experts are spread over a divisor of the devices of a group (tp %d), or over whole groups, a divisor of those there are (dp %d)", ep, tp, dp)
	}
	if s := o.Skew; s != 0 && !(s >= 1 && s <= float64(ep)) {
		return fmt.Errorf("skew %g is not from 1 (balanced) to ep %d (one device has all)", s, ep)
	}
	if o.Microbatches > 1 && pp == 1 {
		return fmt.Errorf("microbatches %d: only a pipeline (pp) has some", o.Microbatches)
	}
	return nil
}

// checkPlace reports ranks that the model cannot be divided over, or that no node holds.
func (c *Compiled) checkPlace() error {
	switch n := c.Hardware.Node(); {
	case n > 0 && c.tp > n:
		return fmt.Errorf("tp %d: a node has at most %d of %s, and tensor parallelism stays inside one", c.tp, n, c.Hardware.Name)
	case n > 0 && c.Devices() > n && n%c.tp != 0:
		return fmt.Errorf("%s: groups of %d do not fill nodes of %d of %s, and tensor parallelism stays inside one", c.Ranks(), c.tp, n, c.Hardware.Name)
	}
	if n := len(c.Model.Layers); c.pp > n {
		return fmt.Errorf("pp %d: %s has %d layers, and a stage needs one", c.pp, c.Model.Name, n)
	}
	return nil
}

func hasExperts(m *arch.Model) bool {
	for _, l := range m.Layers {
		if l.FFN != nil && l.FFN.Routed() > 0 {
			return true
		}
	}
	return false
}

// checkLinks reports messages over a link that the device's profile has no figure of.
func (c *Compiled) checkLinks(ops []OpGroup) error {
	for i := range ops {
		o := &ops[i].Op
		switch {
		case o.Link != (Coef{}) && c.link <= 0:
			return fmt.Errorf("%s: %s has no link_bandwidth figure for %s", c.Ranks(), c.Hardware.Name, o.Name)
		case o.Net != (Coef{}) && c.net <= 0:
			return fmt.Errorf("%s: a node has %d of %s, and its profile has no network_bandwidth figure for what nodes send each other (%s)", c.Ranks(), c.Hardware.Node(), c.Hardware.Name, o.Name)
		}
	}
	return nil
}

// Ranks names the kinds of parallelism that the deployment has: "tp 2 pp 4", "" for one device.
func (c *Compiled) Ranks() string {
	var out []string
	for _, n := range []struct {
		name string
		v    int
	}{{"tp", c.tp}, {"pp", c.pp}, {"ep", c.ep}, {"dp", c.dp}} {
		if n.v > 1 {
			out = append(out, fmt.Sprintf("%s %d", n.name, n.v))
		}
	}
	return strings.Join(out, " ")
}

// HasExperts reports whether any layer has experts.
func (c *Compiled) HasExperts() bool { return hasExperts(c.Model) }

// TP is the number of devices that share every layer, its attention heads too.
func (c *Compiled) TP() int { return c.tp }

// PP is the number of pipeline stages.
func (c *Compiled) PP() int { return c.pp }

// EP is the number of devices over which the experts of a layer are spread.
func (c *Compiled) EP() int { return c.ep }

// DP is the number of groups of devices that run mixers for sequences of their own.
func (c *Compiled) DP() int { return c.dp }

// Devices is how many devices the deployment takes: TP·DP·PP.
func (c *Compiled) Devices() int { return c.tp * c.dp * c.pp }

// Nodes is over how many nodes they are spread, 1 where a node's size is not known.
func (c *Compiled) Nodes() int {
	n := c.Hardware.Node()
	if n == 0 {
		return 1
	}
	return ceil.Div(c.Devices(), n)
}

// spread is which devices share a layer's experts.
type spread struct {
	ranks  int // devices that the experts are spread over
	groups int // tensor-parallel groups that these belong to
	inner  int // devices that share the inner width of each expert
	near   int // of the ranks, those in the node of the device that has fewest there, itself included
}

// newSpread works out who shares experts. Ranks count devices of a tensor-parallel group
// first, then groups, then stages, and fill node after node.
func newSpread(o *Options, hw *hardware.Profile) spread {
	tp, ep, dp := max(o.TP, 1), max(o.EP, 1), max(o.DP, 1)
	s := spread{ranks: ep, groups: 1, inner: tp, near: ep}
	if ep > 1 {
		s.inner, s.groups = max(tp/ep, 1), max(ep/tp, 1)
	}
	if hw != nil && hw.Node() > 0 {
		s.near = nearest(ep, hw.Node(), tp*dp*max(o.PP, 1))
	}
	return s
}

// nearest is how many of every n of so many devices in a row share a node of the given size, of
// the device that shares it with the fewest.
func nearest(n, node, devices int) int {
	least := n
	for first := 0; first < devices; first += n {
		for r := first; r < first+n; {
			end := min((r/node+1)*node, first+n)
			least = min(least, end-r)
			r = end
		}
	}
	return least
}

// expertSplit is the inner width that a device has of each of its experts.
func (b *builder) expertSplit(m arch.MoE, inner int) int {
	e := &b.experts
	if e.ranks == 1 {
		return b.split("expert inner width", inner)
	}
	if m.Experts%e.ranks != 0 {
		b.fail("ep %d does not divide the %d experts of layer %d", e.ranks, m.Experts, b.layer)
	}
	if s := b.o.Skew; s > 1 && s*float64(m.TopK) > float64(m.Experts) {
		b.fail("skew %g: with %d picks among the %d experts of layer %d it is at most %g", s, m.TopK, m.Experts, b.layer, float64(m.Experts)/float64(m.TopK))
	}
	if inner%e.inner != 0 {
		b.fail("tp %d over ep %d: %d devices do not share expert inner width %d of layer %d", b.tp, e.ranks, e.inner, inner, b.layer)
	}
	return max(inner/e.inner, 1)
}

// ofRank leaves of an operation of experts what falls on the busiest device: of the weights of
// the experts hit 1/ep; of the picks of all groups' rows groups/ep, times the skew. A basis
// counts the rows of one group.
func (b *builder) ofRank(o *Op) {
	e := &b.experts
	if e.ranks == 1 {
		return
	}
	share := float64(e.groups) / float64(e.ranks) * max(b.o.Skew, 1)
	for i := range o.FLOPs {
		o.FLOPs[i] *= share
		o.Bytes[ActRead][i] *= share
		o.Bytes[ActWrite][i] *= share
	}
	o.Bytes[Weights][hit] /= float64(e.ranks)
}

// exchange sends rows of n to the devices that hold their experts, or what these made of them
// back: a row goes once to each other device that has at least one of its experts, and one sum
// comes back from it. Devices of a tensor-parallel group have the same rows and send a part of
// them each. With experts inside the group nothing is sent: its all-reduce sums up.
//
//	sent by a device, per row of its group:  n · P · (ep − 1) / tp
//	P = 1 − C(E − E/ep, k) / C(E, k), the chance that a device has one of k experts of E
//
// Where picks are skewed it is what the busiest device receives: it is picked as if there were
// E/skew experts in all.
func (b *builder) exchange(name string, m arch.MoE, n, r int) {
	e := &b.experts
	if e.groups == 1 {
		return
	}
	all, of := float64(m.Scores()), float64(m.Experts)
	row := float64(n) * b.f.act.Bytes() / float64(b.tp) * chanceOfPick(all/max(b.o.Skew, 1), of/float64(e.ranks), m.TopK)
	o := b.op(name, AllToAll)
	o.Shape = Shape{Out: n, RowsAreSeqs: r == seqs, Ranks: e.ranks}
	o.Link[r], o.Net[r] = row*float64(e.near-1), row*float64(e.ranks-e.near)
}

// chanceOfPick is the chance that at least one of k different picks among e is one of few.
func chanceOfPick(e, few float64, k int) float64 {
	none := 1.0
	for j := range k {
		none *= max(e-few-float64(j), 0) / (e - float64(j))
	}
	return 1 - none
}

// hits is the expected number of distinct experts, of all devices, that rows pick: those of r
// rows in each group. Of skewed picks it is as if all were as likely as the busiest device's.
func (s *Shape) hits(r float64) float64 {
	if s.Ranks == 0 {
		return expectedHits(s.Experts, s.Experts+s.Zero, s.TopK, r)
	}
	e := float64(s.Experts)
	p := s.Skew * float64(s.TopK) / float64(s.Experts+s.Zero)
	if p >= 1 || r <= 0 {
		return e * min(r, 1)
	}
	return e * -math.Expm1(r*float64(s.Groups)*math.Log1p(-p))
}
