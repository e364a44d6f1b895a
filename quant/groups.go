package quant

import (
	"strings"

	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

// compressedTensors: llm-compressor's groups of targets with a scheme each, and a list of
// modules to leave alone.
func (r *Rules) compressedTensors(o *object) {
	o.skip("version", "quantization_status", "global_compression_ratio", "observer_kwargs")
	o.refuseSparse()
	if t, ok := o.object("transform_config"); ok && len(t.fields) > 0 {
		o.fail("%s.transform_config is not modelled: rotations may be stored beside the weights", o.field)
		return
	}
	whole := o.text("format", "dense")
	r.keep.read(o, "ignore", o.names("ignore"), exactly)
	r.kvScheme(o)
	groups, ok := o.object("config_groups")
	if !ok {
		o.fail("%s.config_groups is missing", o.field)
		return
	}
	for _, key := range groups.keys() {
		g, ok := groups.object(key)
		if !ok {
			return
		}
		g.skip("output_activations")
		layout := g.text("format", whole)
		static := g.staticInput()
		w, ok := g.object("weights")
		if !ok { // activations only
			g.names("targets")
			g.finish()
			continue
		}
		f, ok := w.compressed(layout, static)
		if !ok {
			return
		}
		r.groups = append(r.groups, override{g.targets(), f})
		g.finish()
	}
}

// refuseSparse refuses 2:4 and other sparse layouts, which store masks or indices.
func (o *object) refuseSparse() {
	s, ok := o.object("sparsity_config")
	if !ok {
		return
	}
	if f := s.text("format", "dense"); f != "dense" {
		o.fail("%s.format %s is not modelled", s.field, quoted(f))
	}
}

// kvScheme reads the format a checkpoint has scales of its KV cache for.
func (r *Rules) kvScheme(o *object) {
	k, ok := o.object("kv_cache_scheme")
	if !ok {
		return
	}
	k.skip("actorder", "block_structure", "dynamic", "group_size", "observer", "observer_kwargs", "strategy", "symmetric", "scale_dtype", "zp_dtype")
	kind, bits := k.text("type", "float"), k.whole("num_bits", 1, 16, 8)
	k.finish()
	switch {
	case kind == "float" && bits == 8:
		r.KV = precision.FP8
	case kind == "int" && bits == 8:
		r.KV = precision.INT8
	case kind == "float" && bits == 4:
		r.KV = precision.NVFP4
	default:
		o.fail("%s: a KV cache of %s %d is not modelled", k.field, quoted(kind), bits)
	}
}

// staticInput reports whether a scale of the input is stored.
func (o *object) staticInput() bool {
	in, ok := o.object("input_activations")
	if !ok {
		return false
	}
	dynamic, said := in.get("dynamic")
	return said && dynamic == false
}

// targets reads which modules a group is for: a class of modules or names.
func (o *object) targets() matcher {
	var x matcher
	var names []string
	for _, t := range o.names("targets") {
		switch {
		case t == "Linear":
			x.classes |= classes(Linear, Expert, Head)
		case strings.HasSuffix(t, "Experts") || strings.HasSuffix(t, "MoE"):
			x.classes |= classes(Expert)
		default:
			names = append(names, t)
		}
	}
	x.read(o, "targets", names, exactly)
	return x
}

// compressed is the format of a scheme in one of compressed-tensors' layouts.
func (o *object) compressed(layout string, staticInput bool) (formats.Format, bool) {
	o.skip("observer", "observer_kwargs", "dynamic", "scale_dtype", "zp_dtype", "is_mx")
	kind := o.text("type", "int")
	bits := o.bits("num_bits", 1, 16)
	group := o.group("group_size", 0)
	symmetric := o.flag("symmetric", true)
	_, ordered := o.get("actorder")
	ordered = ordered && o.fields["actorder"] != "static" && o.fields["actorder"] != "weight"
	block := [2]int{1, group}
	strategy := o.text("strategy", map[bool]string{true: "group", false: "tensor"}[group > 0])
	switch strategy {
	case "tensor":
		block = [2]int{0, 0}
	case "channel":
		block = [2]int{1, 0}
	case "group", "tensor_group":
		if group == 0 {
			o.fail("%s.group_size is missing", o.field)
			return formats.Format{}, false
		}
	case "block":
		v, _ := o.get("block_structure")
		b, ok := blockSize(v)
		if s, isText := v.(string); isText && s == "128x128" {
			b, ok = [2]int{128, 128}, true
		}
		if !ok {
			o.wrong("block_structure", "two positive integers", v)
			return formats.Format{}, false
		}
		block = b
	default:
		o.fail("%s.strategy %s is not modelled", o.field, quoted(strategy))
		return formats.Format{}, false
	}
	o.skip("block_structure")
	o.finish()
	f, ok := o.layout(layout, kind, bits, block, symmetric, ordered)
	if ok && staticInput && f != formats.NVFP4() {
		f = f.WithExtra(2)
	}
	return f, ok && !o.failed()
}

func (o *object) layout(layout, kind string, bits int, block [2]int, symmetric, ordered bool) (formats.Format, bool) {
	switch {
	case layout == "dense" || layout == "":
		return formats.Format{}, true // calibrated, and stored as it was
	case kind == "float" && bits == 8 && block == [2]int{1, 32} && strings.HasPrefix(layout, "mxfp8"):
		return formats.MXFP8(), true
	case kind == "float" && bits == 8 && (layout == "float-quantized" || layout == "naive-quantized"):
		return formats.FP8(block[0], block[1], 16), true
	case kind == "float" && bits == 4 && block == [2]int{1, 16} && layout == "nvfp4-pack-quantized":
		return formats.NVFP4(), true
	case kind == "float" && bits == 4 && block == [2]int{1, 32} && layout == "mxfp4-pack-quantized":
		return formats.MXFP4(), true
	case kind == "int" && bits <= 8 && layout == "pack-quantized":
		return formats.Packed(bits, block[0], block[1], !symmetric, ordered), true
	case kind == "int" && bits <= 8 && (layout == "int-quantized" || layout == "naive-quantized"):
		return formats.Bytewise(block[0], block[1], !symmetric), true
	}
	o.fail("%s: %s of %d bits in groups of %d as %s is not modelled", o.field, quoted(kind), bits, block[1], quoted(layout))
	return formats.Format{}, false
}

// modelOpt: Nvidia's ModelOpt, in the form of config.json (config_groups, ignore) or of
// hf_quant_config.json (exclude_modules, quantized_layers).
func (r *Rules) modelOpt(o *object) {
	o.skip("producer", "quant_method", "has_zero_point", "pre_quant_scale", "version", "quantization_status", "awq_block_size")
	algo := strings.ToUpper(o.text("quant_algo", ""))
	group := o.group("group_size", 0)
	r.keep.read(o, "ignore", o.names("ignore"), shell)
	r.keep.read(o, "exclude_modules", o.names("exclude_modules"), shell)
	r.kvScheme(o)
	switch k := strings.ToUpper(o.text("kv_cache_quant_algo", "")); k {
	case "":
	case "FP8":
		r.KV = precision.FP8
	case "INT8":
		r.KV = precision.INT8
	case "NVFP4":
		r.KV = precision.NVFP4
	case "NONE", "AUTO":
	default:
		o.fail("%s.kv_cache_quant_algo %s is not modelled", o.field, quoted(k))
		return
	}
	layers, mixed := o.object("quantized_layers")
	groups, grouped := o.object("config_groups")
	switch {
	case mixed:
		r.quantizedLayers(layers)
	case grouped:
		r.modelOptGroups(groups, algo, group)
	default:
		f, ok := modelOptFormat(o, algo, group)
		if !ok {
			return
		}
		if f.Said() {
			r.groups = append(r.groups, override{matcher{classes: classes(Linear, Expert, Head)}, f})
		}
	}
}

// quantizedLayers reads a format for each module, or for what contains it. Equal formats
// share a set of names.
func (r *Rules) quantizedLayers(o *object) {
	at := map[formats.Format]int{}
	for _, key := range o.keys() {
		e, ok := o.object(key)
		if !ok {
			return
		}
		e.skip("has_zero_point", "pre_quant_scale", "kv_cache_quant_algo", "awq_block_size")
		f, ok := modelOptFormat(e, strings.ToUpper(e.text("quant_algo", "")), e.group("group_size", 0))
		e.finish()
		if !ok || o.failed() {
			return
		}
		i, seen := at[f]
		if !seen {
			i = len(r.groups)
			at[f] = i
			r.groups = append(r.groups, override{format: f})
		}
		r.groups[i].of.add(key)
		r.groups[i].of.raw = append(r.groups[i].of.raw, key)
	}
}

// modelOptGroups reads the groups of the form in config.json.
func (r *Rules) modelOptGroups(o *object, algo string, group int) {
	for _, key := range o.keys() {
		g, ok := o.object(key)
		if !ok {
			return
		}
		g.skip("input_activations", "output_activations")
		w, ok := g.object("weights")
		if !ok {
			o.fail("%s.weights is missing", g.field)
			return
		}
		w.skip("dynamic", "strategy", "scale_dtype", "symmetric")
		kind, bits, size := w.text("type", "float"), w.whole("num_bits", 1, 16, 0), w.group("group_size", group)
		as := strings.ToUpper(w.text("quant_algo", ""))
		switch {
		case as != "":
		case kind == "float" && bits == 4 && size == 16:
			as = "NVFP4"
		case kind == "float" && bits == 4 && size == 32:
			as = "MXFP4"
		case kind == "float" && bits == 8 && size == 32:
			as = "MXFP8"
		case kind == "float" && bits == 8 && size == 0:
			as = "FP8"
			if strings.HasPrefix(algo, "FP8") {
				as = algo
			}
		case kind == "int" && bits == 4:
			as = "W4A16_AWQ"
		default:
			w.fail("%s: %s of %d bits in groups of %d is not modelled", w.field, quoted(kind), bits, size)
			return
		}
		w.finish()
		f, ok := modelOptFormat(w, as, size)
		if !ok {
			return
		}
		r.groups = append(r.groups, override{g.targets(), f})
		g.finish()
	}
}

// modelOptFormat is the layout of one of ModelOpt's algorithms, from its
// export/quant_utils: fp32 scales, and a scale of the input where activations are
// quantised.
func modelOptFormat(o *object, algo string, group int) (formats.Format, bool) {
	if group == 0 {
		group = 128
	}
	switch algo {
	case "", "NONE", "UNQUANTIZED":
		return formats.Format{}, true
	case "FP8":
		return formats.FP8(0, 0, 32).WithExtra(4), true
	case "FP8_PER_CHANNEL_PER_TOKEN":
		return formats.FP8(1, 0, 32), true
	case "FP8_PB_WO", "FP8_PB_REAL":
		return formats.FP8(group, group, 32), true
	case "NVFP4", "W4A16_NVFP4", "W4A8_NVFP4_FP8", "NVFP4_W4A16":
		return formats.NVFP4(), true
	case "NVFP4_AWQ":
		return formats.NVFP4().WithIndex(2), true // a 16-bit scale of each input
	case "W4A16_AWQ":
		return formats.Int(4, group).WithIndex(2), true
	case "W4A8_AWQ":
		return formats.Int(4, group).WithIndex(2).WithExtra(8), true
	case "MXFP4", "W4A8_MXFP4_FP8", "W4A16_MXFP4":
		return formats.MXFP4(), true
	case "MXFP8":
		return formats.MXFP8(), true
	case "W8A16":
		return formats.Int(8, 0), true
	}
	o.fail("%s.quant_algo %s is not modelled", o.field, quoted(algo))
	return formats.Format{}, false
}
