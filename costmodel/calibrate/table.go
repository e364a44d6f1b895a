package calibrate

// axes is how many axes every table has; a table that needs fewer has axes of one
// node, which cost next to nothing.
const axes = 4

// table is a smoothed correction on a logarithmic grid: slices (number formats,
// windowed or not) × four axes, multilinear in between, constant off its ends.
type table struct {
	Slices int        `yaml:"slices"`
	Axes   [axes]axis `yaml:"axes"`
	values []float32  // [slice][axis 0][axis 1][axis 2][axis 3]
	stride [axes]int  // values between neighbours on each axis
	slice  int        // values of one slice
}

// shape fills the strides and returns how many values the table holds.
func (t *table) shape() int {
	n := 1
	for a := axes - 1; a >= 0; a-- {
		t.stride[a] = n
		n *= t.Axes[a].N
	}
	t.slice = n
	return n * t.Slices
}

// at interpolates slice s at x. An empty table corrects nothing.
func (t *table) at(s int, x *[axes]float64) float64 {
	if len(t.values) == 0 {
		return 0
	}
	base := s * t.slice
	var step [axes]int
	var f [axes]float64
	for a := range axes {
		i, g := t.Axes[a].locate(x[a])
		base += i * t.stride[a]
		f[a] = g
		if g > 0 {
			step[a] = t.stride[a]
		}
	}
	r := t.cube(base, &step, &f)
	if f[0] > 0 {
		r += f[0] * (t.cube(base+step[0], &step, &f) - r)
	}
	return r
}

// cube interpolates on the last three axes.
func (t *table) cube(base int, step *[axes]int, f *[axes]float64) float64 {
	v := t.values
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

// corner is one node and its weight in an interpolated value.
type corner struct {
	node   int32
	weight float32
}

// corners appends the nodes that at() would blend for slice s at x.
func (t *table) corners(dst []corner, s int, x *[axes]float64) []corner {
	var idx [axes]int
	var f [axes]float64
	for a := range axes {
		idx[a], f[a] = t.Axes[a].locate(x[a])
	}
	for m := range 1 << axes {
		w, n := 1.0, s*t.slice
		for a := range axes {
			if m>>a&1 == 1 {
				w *= f[a]
				n += (idx[a] + 1) * t.stride[a]
			} else {
				w *= 1 - f[a]
				n += idx[a] * t.stride[a]
			}
		}
		if w > 0 {
			dst = append(dst, corner{int32(n), float32(w)})
		}
	}
	return dst
}
