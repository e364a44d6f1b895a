package checkpoint

import (
	"github.com/OWNER/ridgeline/arch"
)

// mixerOf is the mixer at a place that an entry is for. Entries are found by the kind of mixer
// ("attention.qkv"), so that each knows its own.
func mixerOf[M arch.Mixer](p place) M { return p.mixer.(M) }

// then applies one change to the joined rows and another to what comes out. Both are
// given one tensor.
func then(first, second joiner) joiner {
	return func(parts []Tensor) []float32 {
		t := parts[0]
		shape := append([]int(nil), t.Shape...)
		if n := len(shape); n >= 2 {
			shape[n-1], shape[n-2] = shape[n-2], shape[n-1] // every first step here transposes
		}
		return second([]Tensor{{Shape: shape, Data: first(parts)}})
	}
}

// transposeEach turns [experts, in, out] into [experts, out, in] (or [in, out]).
func transposeEach(parts []Tensor) []float32 {
	t := parts[0]
	n := len(t.Shape)
	in, out := t.Shape[n-2], t.Shape[n-1]
	d := make([]float32, len(t.Data))
	for at := 0; at < len(d); at += in * out {
		from, to := t.Data[at:at+in*out], d[at:at+in*out]
		for i := range in {
			for o := range out {
				to[o*in+i] = from[i*out+o]
			}
		}
	}
	return d
}

// transposeAll is transposeEach of several tensors, one behind the other.
func transposeAll(parts []Tensor) []float32 {
	var all []Tensor
	for _, p := range parts {
		all = append(all, Tensor{Data: transposeEach([]Tensor{p})})
	}
	return rows(all)
}

// unzipEach sorts rows that alternate gate, up, gate, up … of each expert into all gates
// and then all ups.
func unzipEach(parts []Tensor) []float32 {
	t := parts[0]
	cols := 1
	if len(t.Shape) == 3 {
		cols = t.Shape[2]
	}
	rows := t.Shape[1]
	d := make([]float32, len(t.Data))
	for at := 0; at < len(d); at += rows * cols {
		for r := range rows {
			to := r/2 + r%2*rows/2
			copy(d[at+to*cols:at+(to+1)*cols], t.Data[at+r*cols:at+(r+1)*cols])
		}
	}
	return d
}

// queriesThenGates sorts query rows that alternate by head between query and gate into
// all queries and then all gates, with keys and values behind.
func queriesThenGates(p place) joiner {
	a := mixerOf[arch.Attention](p)
	if !a.OutputGate {
		return nil
	}
	return func(parts []Tensor) []float32 {
		q := parts[0]
		cols := q.Shape[1]
		size := a.HeadDim * cols
		d := make([]float32, len(q.Data))
		for h := range a.Heads {
			copy(d[h*size:(h+1)*size], q.Data[2*h*size:(2*h+1)*size])
			copy(d[(a.Heads+h)*size:(a.Heads+h+1)*size], q.Data[(2*h+1)*size:(2*h+2)*size])
		}
		return rows(append([]Tensor{{Data: d}}, parts[1:]...))
	}
}

// deltaGroups sorts rows that hold q, k, v and z of each key head into all q, k, v, z.
func deltaGroups(p place) joiner {
	g := mixerOf[arch.GatedDeltaNet](p)
	per := g.VHeads / g.KHeads * g.VDim
	return func(parts []Tensor) []float32 { return regroup(parts[0], g.KHeads, g.KDim, g.KDim, per, per) }
}

// deltaScalars does the same for b and a.
func deltaScalars(p place) joiner {
	g := mixerOf[arch.GatedDeltaNet](p)
	per := g.VHeads / g.KHeads
	return func(parts []Tensor) []float32 { return regroup(parts[0], g.KHeads, per, per) }
}

// regroup turns rows that lie group by group, each with sizes[0] rows of the first map,
// sizes[1] of the second and so on, into map by map.
func regroup(t Tensor, groups int, sizes ...int) []float32 {
	cols := 1
	if len(t.Shape) > 1 {
		cols = t.Shape[1]
	}
	d := make([]float32, 0, len(t.Data))
	all := 0
	for _, n := range sizes {
		all += n
	}
	at := 0
	for _, n := range sizes {
		for g := range groups {
			from := (g*all + at) * cols
			d = append(d, t.Data[from:from+n*cols]...)
		}
		at += n
	}
	return d
}

// byHead sorts rows that hold q, k and v of each head in turn, for attention.
func byHead(p place) joiner {
	a := mixerOf[arch.Attention](p)
	return headRows(a.Heads, a.HeadDim)
}

// byLightningHead is byHead for linear attention.
func byLightningHead(p place) joiner {
	l := mixerOf[arch.Lightning](p)
	return headRows(l.Heads, l.HeadDim)
}

func headRows(heads, dim int) joiner {
	return func(parts []Tensor) []float32 { return regroup(parts[0], heads, dim, dim, dim) }
}

// byGroup sorts rows that hold the queries, the key and the value of each kv head in turn.
func byGroup(p place) joiner {
	a := mixerOf[arch.Attention](p)
	return func(parts []Tensor) []float32 {
		return regroup(parts[0], a.KVHeads, a.Heads/a.KVHeads*a.HeadDim, a.HeadDim, a.HeadDim)
	}
}

// fromThird is a table whose first position has the third row: the first two stand for none.
func fromThird(parts []Tensor) []float32 {
	t := parts[0]
	at := 2 * t.Shape[1]
	return append(append(make([]float32, 0, len(t.Data)), t.Data[at:]...), t.Data[:at]...)
}
