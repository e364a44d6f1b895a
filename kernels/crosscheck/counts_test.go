package crosscheck

import (
	"context"
	"errors"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/kernels"
)

func TestCounts(t *testing.T) {
	cases := 2000
	if testing.Short() {
		cases = 200
	}
	r, err := Counts(context.Background(), cases, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if !r.OK() {
		t.Errorf("%d of %d layouts mismatch; first: %s", r.Mismatches, r.Cases, r.FirstMismatch)
	}
}

// Breaking either side must show: another kernel, another model, or any single
// coefficient of any operation off by one element or one FLOP.
func TestCountsSeeABrokenSide(t *testing.T) {
	ctx := context.Background()
	m := &arch.Model{Width: 16, Vocab: 11, Layers: []arch.Layer{
		{Mixer: arch.Mamba1{DInner: 32, DState: 4, DConv: 3, DtRank: 2}, FFN: arch.MLP{Inner: 24, Gated: true}},
		{Mixer: arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 4, Differential: true}, FFN: arch.MoE{Experts: 5, TopK: 2, Inner: 8}},
		{Mixer: arch.GMU{Memory: arch.To(0), From: arch.ScanMemory, DMem: 32}},
		{Mixer: arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 4, Differential: true, KVSource: arch.To(1)}},
	}}
	for _, tc := range []struct {
		name string
		kern kernels.Options
		cost kernels.Options
		want bool
	}{
		{"equal", kernels.Options{}, kernels.Options{}, false},
		{"four passes run", kernels.Options{DiffKernel: execution.FourPass}, kernels.Options{}, true},
		{"per query head predicted", kernels.Options{}, kernels.Options{KVRead: execution.PerQueryHead}, true},
		{"full prefill run", kernels.Options{Prefill: execution.Full}, kernels.Options{}, true},
	} {
		c := countCase{model: m, kernels: tc.kern, cost: costOptions(tc.cost), batch: 2, calls: []int{5, 1}}
		diff, err := c.run(ctx, &CountsResult{})
		if err != nil {
			t.Fatal(err)
		}
		if (diff != "") != tc.want {
			t.Errorf("%s: %q", tc.name, diff)
		}
	}

	model, err := kernels.New(m, kernels.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := model.Start(2, 5)
	if err != nil {
		t.Fatal(err)
	}
	s.Meter = &kernels.Meter{}
	if _, err := s.Prefill(ctx, [][]int{{1, 2, 3, 4, 5}, {6, 7, 8, 9, 10}}); err != nil {
		t.Fatal(err)
	}
	call := costmodel.Call{Batch: 2, New: 5}
	ops := func() []costmodel.Op {
		ops, err := costmodel.Ops(m, costOptions(kernels.Options{}), true)
		if err != nil {
			t.Fatal(err)
		}
		return ops
	}
	if _, diff := compare(ops(), call, s.Meter); diff != "" {
		t.Fatal(diff)
	}
	tampered := 0
	for i := range ops() {
		for k := range costmodel.NumKinds + 1 {
			broken := ops()
			form, step := &broken[i].FLOPs, 1.0
			if k < costmodel.NumKinds {
				form, step = &broken[i].Bytes[k], 4
			}
			for j := range form {
				if form[j] != 0 {
					form[j] += step
					if _, diff := compare(broken, call, s.Meter); diff == "" {
						t.Errorf("%s kind %d coefficient %d off by one: not seen", broken[i].Name, k, j)
					}
					form[j] -= step
					tampered++
				}
			}
		}
		missing := append(ops()[:i:i], ops()[i+1:]...)
		if _, diff := compare(missing, call, s.Meter); diff == "" {
			t.Errorf("operation %d left out: not seen", i)
		}
	}
	if tampered < 100 {
		t.Errorf("only %d coefficients tampered with", tampered)
	}
}

func TestCountsStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	r, err := Counts(ctx, 100, 1, func(done, _ int) {
		if done == 5 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || r.Cases != 5 {
		t.Errorf("%d cases, %v", r.Cases, err)
	}
}

func TestEveryFamilyIsAmongTheLayouts(t *testing.T) {
	models, err := smallFamilies()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, m := range models {
		seen[m.Family]++
	}
	for _, f := range family.Families() {
		if seen[f.Name] == 0 {
			t.Errorf("no %s", f.Name)
		}
	}
	// 200 layouts, every third a family's: all of them come by
	if len(models) > 200/3 {
		t.Errorf("%d small families do not fit in the 66 of 200 layouts", len(models))
	}
	t.Log(len(models), seen)
}
