package arch

// MixerName is the short name of a layer's mixer in reports: "mamba1", "mamba2",
// "gated_deltanet", "full" or "swa" (attention without and with a window), "cross",
// "gmu", "ngmu", "sigmoid_gmu", for parallel mixers their names joined by "+", and
// "none".
func (l Layer) MixerName() string {
	if l.Mixer == nil {
		return "none"
	}
	return l.Mixer.Name()
}

// FFNName is the kind of a layer's feed-forward network, "none" where it has none.
func (l Layer) FFNName() string {
	if l.FFN == nil {
		return "none"
	}
	return l.FFN.Kind()
}

// LayerNames lists the names of the layers' mixers.
func (m *Model) LayerNames() []string {
	names := make([]string, len(m.Layers))
	for i, l := range m.Layers {
		names[i] = l.MixerName()
	}
	return names
}

// Summary writes the names of the layers as a layout: (mamba1 swa)*8 mamba1 full (gmu cross)*7. A
// layer without a mixer has the name of its FFN.
func (m *Model) Summary() string {
	items := make([]LayoutItem, len(m.Layers))
	for i, l := range m.Layers {
		items[i] = LayoutItem{Name: l.MixerName(), Repeat: 1}
		if l.Mixer == nil {
			items[i].Name = l.FFNName()
		}
	}
	return CompactLayout(items).String()
}
