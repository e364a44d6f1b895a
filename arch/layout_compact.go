package arch

import "slices"

// CompactLayout writes a series of layers with repeats. At each place it chooses the repeated
// group that stands for the most layers, and the shortest of equals; inside the group it does the
// same.
func CompactLayout(layers []LayoutItem) *Layout {
	// Longer cycles are not looked for, because the time of the search grows with the square of
	// this number.
	const maxGroup = 32
	var items []LayoutItem
	for at := 0; at < len(layers); {
		best, times := 1, 1
		for n := 1; n <= maxGroup && at+2*n <= len(layers); n++ {
			k := repeats(layers[at:], n)
			if k > 1 && k*n > best*times {
				best, times = n, k
			}
		}
		switch group := layers[at : at+best]; {
		case times == 1 || best == 1:
			one := group[0]
			one.Repeat = times
			items = append(items, one)
		default:
			items = append(items, LayoutItem{Group: CompactLayout(group).Items, Repeat: times})
		}
		at += best * times
	}
	return &Layout{items}
}

// repeats counts how often the first n layers follow one another. A layer with a label does not
// count as equal to another.
func repeats(layers []LayoutItem, n int) int {
	for _, l := range layers[:n] {
		if l.Label != "" {
			return 1
		}
	}
	k := 1
	for (k+1)*n <= len(layers) && slices.EqualFunc(layers[:n], layers[k*n:(k+1)*n], sameLayer) {
		k++
	}
	return k
}

func sameLayer(a, b LayoutItem) bool { return a.Name == b.Name && a.Label == b.Label }
