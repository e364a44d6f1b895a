package plan

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/OWNER/ridgeline/serving"
)

// Limit bounds the times of requests: the share Percentile of the requests may take at most
// Seconds.
type Limit struct {
	Figure     string  // ttft, tpot or e2e
	Percentile float64 // between 0 and 1; 0 stands for the mean
	Seconds    float64
}

// String returns the limit in the form that ParseLimit reads.
func (l Limit) String() string {
	return fmt.Sprintf("%s %s<%s", l.Figure, l.of(), time.Duration(l.Seconds*1e9).String())
}

func (l Limit) of() string {
	if l.Percentile == 0 {
		return "mean"
	}
	return "p" + strconv.FormatFloat(math.Round(l.Percentile*1e6)/1e4, 'g', -1, 64)
}

// ParseLimit reads p95<500ms, p99.9<=2s, mean<20ms or 500ms, which means p95.
func ParseLimit(figure, s string) (Limit, error) {
	l := Limit{Figure: figure, Percentile: 0.95}
	bad := fmt.Errorf("%q: want a percentile and a time with its unit, as in p95<500ms or mean<20ms", s)
	which, value, has := strings.Cut(strings.ReplaceAll(s, " ", ""), "<")
	if !has {
		which, value = "p95", which
	}
	value = strings.TrimPrefix(value, "=")
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return l, bad
	}
	l.Seconds = d.Seconds()
	switch which = strings.ToLower(which); {
	case which == "mean":
		l.Percentile = 0
	case strings.HasPrefix(which, "p"):
		p, err := strconv.ParseFloat(which[1:], 64)
		if err != nil || !(p > 0 && p < 100) {
			return l, bad
		}
		l.Percentile = p / 100
	default:
		return l, bad
	}
	return l, nil
}

// Objective is what a deployment must meet: every limit, and, where Goodput is set, that this
// share of the requests meets all limits at the same time.
type Objective struct {
	Limits  []Limit
	Goodput float64 // a share; 0 where it is not asked for
}

func (o *Objective) slo() (s serving.SLO) {
	for _, l := range o.Limits {
		to := map[string]*float64{"ttft": &s.TTFT, "tpot": &s.TPOT, "e2e": &s.E2E}[l.Figure]
		if *to == 0 || l.Seconds < *to {
			*to = l.Seconds
		}
	}
	return s
}

// Measured is the value of a figure that has a limit.
type Measured struct {
	Limit Limit
	Value float64 // in seconds; for goodput a share
	Low   float64 // lower end of the 90 % interval over seeds
	High  float64
}

// Ratio returns the value divided by the limit; the limit is met up to 1. For goodput it is the
// reverse.
func (m Measured) Ratio() float64 {
	if m.Limit.Figure == goodput {
		if m.Value <= 0 {
			return math.Inf(1)
		}
		return m.Limit.Seconds / m.Value
	}
	return m.Value / m.Limit.Seconds
}

const goodput = "goodput"

// worst returns the figure that is nearest to its limit or furthest beyond it, with its ratio.
func worst(ms []Measured) (Measured, float64) {
	if len(ms) == 0 {
		return Measured{}, 0
	}
	m := slices.MaxFunc(ms, func(a, b Measured) int {
		switch x, y := a.Ratio(), b.Ratio(); {
		case x < y || math.IsNaN(x) && !math.IsNaN(y):
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return m, m.Ratio()
}
