package kerneltime

// axes is the number of axes of every table. A table that needs fewer has axes with one node,
// which take almost no time.
const axes = 4

// Table is a smoothed correction on a logarithmic grid: slices (number formats, with or without a
// window) × four axes. Values between nodes are interpolated linearly, and those beyond the ends
// are those at the ends.
type Table struct {
	Slices int        `yaml:"slices"`
	Axes   [axes]axis `yaml:"axes"`
	Values []float32  // [slice][axis 0][axis 1][axis 2][axis 3]
	Stride [axes]int  // number of values between neighbours on each axis
	Slice  int        // number of values in a slice
}

// Shape works out the strides and returns how many values the table has.
func (t *Table) Shape() int {
	n := 1
	for a := axes - 1; a >= 0; a-- {
		t.Stride[a] = n
		n *= t.Axes[a].N
	}
	t.Slice = n
	return n * t.Slices
}

// At interpolates slice s at x. An empty table returns 0, no correction.
func (t *Table) At(s int, x *[axes]float64) float64 {
	if len(t.Values) == 0 {
		return 0
	}
	base := s * t.Slice
	var step [axes]int
	var f [axes]float64
	for a := range axes {
		i, g := t.Axes[a].locate(x[a])
		base += i * t.Stride[a]
		f[a] = g
		if g > 0 {
			step[a] = t.Stride[a]
		}
	}
	r := t.cube(base, &step, &f)
	if f[0] > 0 {
		r += f[0] * (t.cube(base+step[0], &step, &f) - r)
	}
	return r
}

// cube interpolates along the last three axes.
func (t *Table) cube(base int, step *[axes]int, f *[axes]float64) float64 {
	v := t.Values
	i, j, k := step[1], step[2], step[3]
	a := lerp(v[base], v[base+k], f[3])
	b := lerp(v[base+j], v[base+j+k], f[3])
	c := lerp(v[base+i], v[base+i+k], f[3])
	d := lerp(v[base+i+j], v[base+i+j+k], f[3])
	a += f[2] * (b - a)
	c += f[2] * (d - c)
	return a + f[1]*(c-a)
}

func lerp(a, b float32, f float64) float64 {
	return float64(a) + f*(float64(b)-float64(a))
}

// Corner is one node, with its weight in an interpolated value.
type Corner struct {
	Node   int32
	Weight float32
}

// Corners appends the nodes from which At interpolates slice s at x.
func (t *Table) Corners(dst []Corner, s int, x *[axes]float64) []Corner {
	var idx [axes]int
	var f [axes]float64
	for a := range axes {
		idx[a], f[a] = t.Axes[a].locate(x[a])
	}
	for m := range 1 << axes {
		w, n := 1.0, s*t.Slice
		for a := range axes {
			if m>>a&1 == 1 {
				w *= f[a]
				n += (idx[a] + 1) * t.Stride[a]
			} else {
				w *= 1 - f[a]
				n += idx[a] * t.Stride[a]
			}
		}
		if w > 0 {
			dst = append(dst, Corner{int32(n), float32(w)})
		}
	}
	return dst
}
