package solve

import (
	"context"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
)

func params(m *arch.Model) (float64, error) { return float64(m.Params().Total), nil }

// The answer reaches the target and no smaller size that can be built does; Gated DeltaNet
// has no width that is no multiple of 4.
func TestLeast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Search{Options: family.Options{Depth: 16}, Cost: params,
			Family: rapid.SampledFrom([]string{"gdny", "s-gdny", "sambay", "transformer++", "mambay-2"}).Draw(t, "family"),
			Step:   rapid.IntRange(0, 9).Draw(t, "step")}
		target := float64(rapid.Int64Range(10e6, 4e9).Draw(t, "target"))
		m, err := s.Least(context.Background(), target)
		if err != nil {
			t.Fatal(err)
		}
		step := max(s.Step, 1)
		if m.Width%step != 0 || float64(m.Params().Total) < target {
			t.Fatalf("width %d has %d parameters of %g", m.Width, m.Params().Total, target)
		}
		for w := m.Width - step; w > 0; w -= step {
			o := s.Options
			o.Width = w
			less, err := family.Build(s.Family, o)
			if err != nil {
				continue
			}
			if float64(less.Params().Total) >= target {
				t.Fatalf("width %d does, %d was found", w, m.Width)
			}
			break
		}
	})
}

func TestDepth(t *testing.T) {
	s := Search{Family: "sambay", Options: family.Options{Width: 1024, Heads: 8, KVHeads: 2}, Dimension: Depth, Cost: params}
	m, err := s.Least(context.Background(), 500e6)
	if err != nil || len(m.Layers)%4 != 0 || m.Params().Total < 500e6 {
		t.Fatalf("%v %v", m, err)
	}
	s.Options.Depth = len(m.Layers) - 4
	if less, err := family.Build(s.Family, s.Options); err != nil || less.Params().Total >= 500e6 {
		t.Errorf("4 layers fewer do: %v", err)
	}
}

func TestNoSize(t *testing.T) {
	s := Search{Family: "sambay", Options: family.Options{Depth: 16}, Cost: params}
	var small *TooSmall
	if _, err := s.Least(context.Background(), 1); !errors.As(err, &small) || small.Least != 1 || !(small.Cost > 1) {
		t.Errorf("error %v", err)
	}
	var large *TooLarge
	if _, err := s.Least(context.Background(), 1e30); !errors.As(err, &large) || large.Limit != MaxWidth {
		t.Errorf("error %v", err)
	}
	s.Options.Depth = 7
	if _, err := s.Least(context.Background(), 1e9); err == nil || !strings.Contains(err.Error(), "depth 7") {
		t.Errorf("error %v", err)
	}
}

// A search ends with its context, in the middle of it too.
func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := Search{Family: "sambay", Options: family.Options{Depth: 16}}
	n := 0
	s.Cost = func(m *arch.Model) (float64, error) {
		if n++; n == 5 {
			cancel()
		}
		return params(m)
	}
	if _, err := s.Least(ctx, 1e10); !errors.Is(err, context.Canceled) || n != 5 {
		t.Errorf("%d models were built, error %v", n, err)
	}
}
