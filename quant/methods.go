package quant

import (
	"strings"

	"github.com/OWNER/ridgeline/formats"
)

// gptq: AutoGPTQ, GPTQModel and Optimum. dynamic changes or, with "-:", leaves out
// modules by regular expression.
func (r *Rules) gptq(o *object) {
	o.skip("damp_percent", "damp_auto_increment", "dataset", "sym", "true_sequential", "static_groups", "model_seqlen", "tokenizer",
		"batch_size", "cache_block_outputs", "max_input_length", "use_cuda_fp16", "use_exllama", "disable_exllama", "exllama_config",
		"module_name_preceding_first_block", "block_name_to_quantize", "pad_token_id", "model_name_or_path", "model_file_base_name",
		"meta", "version", "pack_dtype", "quantizer", "backend", "is_marlin_format", "mse", "rotation", "act_group_aware",
		"failsafe", "offload_to_disk", "hyb_act", "format")
	o.checkpointFormat()
	bits := o.bits("bits", 2, 8)
	group := o.group("group_size", 0)
	o.flag("desc_act", false) // the groups' index is stored either way
	r.keep.read(o, "modules_to_not_convert", o.names("modules_to_not_convert"), transformers)
	r.dynamic(o, bits, group)
	of := r.blocks(o)
	of.classes |= o.head()
	r.groups = append(r.groups, override{of, formats.GPTQ(bits, group)})
}

// checkpointFormat accepts the layouts that AutoGPTQ's has become; Marlin's and others
// are stored differently.
func (o *object) checkpointFormat() {
	switch s := o.text("checkpoint_format", "gptq"); s {
	case "gptq", "gptq_v2", "":
	default:
		o.fail("%s.checkpoint_format %s is not modelled", o.field, quoted(s))
	}
}

// bits reads a required width.
func (o *object) bits(key string, least, most int) int {
	if _, ok := o.get(key); !ok {
		o.fail("%s.%s is missing", o.field, key)
		return most
	}
	return o.whole(key, least, most, most)
}

// head is the class of the head where the tool was told to convert it, else nothing.
func (o *object) head() uint16 {
	if o.flag("lm_head", false) || o.flag("quant_lm_head", false) {
		return classes(Head)
	}
	return 0
}

// blocks is what GPTQ converts: the linear maps, or those its list names.
func (r *Rules) blocks(o *object) matcher {
	x := linear()
	v, ok := o.get("modules_in_block_to_quantize")
	if !ok {
		return x
	}
	lists, isList := v.([]any)
	if !isList {
		o.wrong("modules_in_block_to_quantize", "a list of lists of names", v)
		return x
	}
	x = matcher{}
	for i, l := range lists {
		inner, isList := l.([]any)
		if s, one := l.(string); one {
			inner, isList = []any{s}, true
		}
		if !isList {
			o.fail("%s.modules_in_block_to_quantize[%d] must be a list of names, is %s", o.field, i, show(l))
			return x
		}
		for _, e := range inner {
			s, isText := e.(string)
			if !isText || s == "" {
				o.fail("%s.modules_in_block_to_quantize[%d] must be a list of names", o.field, i)
				return x
			}
			x.suffixes = append(x.suffixes, "."+s)
			x.raw = append(x.raw, s)
		}
	}
	return x
}

// dynamic reads GPTQModel's exceptions: "+:" or nothing in front of a regular expression
// changes the modules it matches, "-:" leaves them unconverted.
func (r *Rules) dynamic(o *object, bits, group int) {
	d, ok := o.object("dynamic")
	if !ok {
		return
	}
	for _, key := range d.keys() {
		v, _ := d.object(key)
		text, without := strings.CutPrefix(key, "-:")
		text = strings.TrimPrefix(text, "+:")
		p, err := compile(text)
		if err != nil {
			o.fail("%s.dynamic: %v", o.field, err)
			return
		}
		of := matcher{patterns: []pattern{p}, raw: []string{text}}
		if without {
			r.overrides = append([]override{{of: of}}, r.overrides...)
			continue
		}
		if v == nil {
			continue
		}
		v.skip("sym", "desc_act", "mse", "damp_percent", "static_groups", "pack_dtype")
		b, g := v.whole("bits", 2, 8, bits), group
		if _, given := v.get("group_size"); given {
			g = v.group("group_size", group)
		}
		v.finish()
		r.overrides = append(r.overrides, override{of, formats.GPTQ(b, g)})
	}
}

// awq: AutoAWQ. Its versions (gemm, gemv, ...) lay the same bytes out differently.
func (r *Rules) awq(o *object) {
	o.skip("zero_point", "version", "backend", "fuse_max_seq_len", "modules_to_fuse", "do_fuse", "exllama_config",
		"ipex_config", "desc_act", "sym", "true_sequential", "damp_percent", "static_groups")
	key := "bits"
	if _, ok := o.fields["w_bit"]; ok {
		key = "w_bit"
	}
	bits := o.bits(key, 2, 8)
	key = "group_size"
	if _, ok := o.fields["q_group_size"]; ok {
		key = "q_group_size"
	}
	group := o.group(key, 0)
	r.keep.read(o, "modules_to_not_convert", o.names("modules_to_not_convert"), anywhere)
	of := linear()
	of.classes |= o.head()
	r.groups = append(r.groups, override{of, formats.AWQ(bits, group)})
}

// autoRound: Intel's auto-round. Its packing says in whose layout; extra_config gives
// modules a width of their own, 16 leaving them alone.
func (r *Rules) autoRound(o *object) {
	o.skip("sym", "autoround_version", "iters", "lr", "minmax_lr", "nsamples", "batch_size", "seqlen", "gradient_accumulate_steps",
		"enable_quanted_input", "enable_minmax_tuning", "low_gpu_mem_usage", "amp", "scale_dtype", "enable_norm_bias_tuning", "backend", "dataset",
		"to_quant_block_names", "act_bits", "act_data_type", "act_dynamic", "act_group_size", "act_sym", "damp_percent", "desc_act", "true_sequential",
		"static_groups", "zero_point", "version", "super_bits", "super_group_size", "layer_config", "static_kv_dtype", "supported_types")
	layout := o.text("packing_format", "auto_round:auto_gptq")
	base, ok := o.roundScheme(scheme{kind: "int", group: 128})
	if !ok || o.failed() {
		return
	}
	if base.bits == 0 {
		o.fail("%s.bits is missing", o.field)
		return
	}
	build := func(s scheme) formats.Format {
		switch {
		case s.kind == "nv_fp" || s.kind == "nv_fp4" || s.kind == "nv_fp4_with_static_gs":
			return formats.NVFP4()
		case strings.HasPrefix(s.kind, "mx_fp") && s.bits == 8:
			return formats.MXFP8()
		case strings.HasPrefix(s.kind, "mx_fp"):
			return formats.MXFP4()
		case s.kind == "fp" && s.bits == 8:
			return formats.FP8(1, s.group, 16)
		case strings.Contains(layout, "llm_compressor"):
			return formats.Packed(s.bits, 1, s.group, false, false)
		}
		return formats.AWQ(s.bits, s.group) // auto_gptq and auto_awq: the same bytes, no index of groups
	}
	switch layout {
	case "auto_round:auto_gptq", "auto_round:auto_awq", "auto_round:gptq", "auto_round", "auto_round:llm_compressor", "auto_gptq", "auto_awq",
		"auto_round:nv_fp4", "auto_round:mx_fp4", "auto_round:fp8", "auto_round:auto_gptq:marlin":
	default:
		o.fail("%s.packing_format %s is not modelled", o.field, quoted(layout))
		return
	}
	if extra, ok := o.object("extra_config"); ok {
		for _, key := range extra.keys() {
			e, ok := extra.object(key)
			if !ok {
				continue
			}
			e.skip("sym", "scale_dtype", "act_bits", "act_data_type", "act_dynamic", "act_group_size", "act_sym", "super_bits", "super_group_size", "fixed_by_user")
			s, ok := e.roundScheme(base)
			e.finish()
			if !ok || o.failed() {
				return
			}
			x := override{of: matcher{raw: []string{key}}}
			if strings.ContainsAny(key, `*[(\^$|`) { // a regular expression, searched for
				p, err := compile(".*(?:" + strings.TrimPrefix(key, "re:") + ")")
				if err != nil {
					o.fail("%s.extra_config: %v", o.field, err)
					return
				}
				x.of.patterns = []pattern{p}
			} else {
				x.of.add(key)
			}
			if s.bits < 16 {
				x.format = build(s)
			}
			r.overrides = append(r.overrides, x)
		}
	}
	o.names("block_name_to_quantize") // the layers, or the decoder among towers
	r.keep.read(o, "modules_to_not_convert", o.names("modules_to_not_convert"), transformers)
	x := linear()
	x.classes |= o.head()
	r.groups = append(r.groups, override{x, build(base)})
}

// scheme is the width of values, what they are, and the group that shares a scale.
type scheme struct {
	kind        string
	bits, group int
}

func (o *object) failed() bool {
	for o.parent != nil {
		o = o.parent
	}
	return o.err != nil
}

// roundScheme reads the widths of auto-round over those of base.
func (o *object) roundScheme(base scheme) (scheme, bool) {
	s := base
	s.kind = o.text("data_type", base.kind)
	s.bits = o.whole("bits", 2, 32, base.bits)
	if _, given := o.get("group_size"); given {
		s.group = o.group("group_size", base.group)
	}
	switch {
	case s.bits >= 16 || s.bits == 0:
	case s.kind == "int" || s.kind == "int_sym" || s.kind == "int_asym":
		if s.bits > 8 {
			o.fail("%s.bits %d is not modelled", o.field, s.bits)
			return s, false
		}
	case s.kind == "fp" && s.bits == 8, strings.HasPrefix(s.kind, "mx_fp") && (s.bits == 4 || s.bits == 8), strings.HasPrefix(s.kind, "nv_fp") && s.bits == 4:
	default:
		o.fail("%s.data_type %s of %d bits is not modelled", o.field, quoted(s.kind), s.bits)
		return s, false
	}
	return s, true
}

// bitsandbytes converts linear maps but the head (the skip list is null) or those listed.
func (r *Rules) bitsandbytes(o *object) {
	o.skip("_load_in_4bit", "_load_in_8bit", "bnb_4bit_compute_dtype", "llm_int8_enable_fp32_cpu_offload", "llm_int8_has_fp16_weight",
		"llm_int8_threshold", "bnb_4bit_quant_storage")
	four, eight := o.flag("load_in_4bit", false), o.flag("load_in_8bit", false)
	r.keep.read(o, "llm_int8_skip_modules", o.names("llm_int8_skip_modules"), transformers)
	kind, double := o.text("bnb_4bit_quant_type", "fp4"), o.flag("bnb_4bit_use_double_quant", false)
	var f formats.Format
	switch {
	case four == eight:
		o.fail("%s must have one of load_in_4bit and load_in_8bit", o.field)
		return
	case eight:
		f = formats.BNB8()
	case kind != "nf4" && kind != "fp4":
		o.fail("%s.bnb_4bit_quant_type %s is not modelled", o.field, quoted(kind))
		return
	default:
		f = formats.BNB4(double)
	}
	r.groups = append(r.groups, override{linear(), f})
}

// fp8: the fine-grained layout of DeepSeek-V3 and Transformers: a scale for each block
// or, without weight_block_size, for the matrix; a static scale of the input besides.
func (r *Rules) fp8(o *object) {
	o.skip("dequantize", "scale_fmt", "is_checkpoint_fp8_serialized")
	if s := o.text("fmt", "e4m3"); !strings.Contains(s, "e4m3") && !strings.Contains(s, "e5m2") {
		o.fail("%s.fmt %s is not modelled", o.field, quoted(s))
		return
	}
	f := formats.FP8(0, 0, 32)
	if v, ok := o.get("weight_block_size"); ok {
		b, ok := blockSize(v)
		if !ok {
			o.wrong("weight_block_size", "two positive integers", v)
			return
		}
		f = formats.FP8(b[0], b[1], 32)
	}
	switch s := o.text("activation_scheme", "dynamic"); s {
	case "dynamic":
	case "static":
		f = f.WithExtra(4)
	default:
		o.fail("%s.activation_scheme %s is not modelled", o.field, quoted(s))
		return
	}
	r.keep.read(o, "modules_to_not_convert", o.names("modules_to_not_convert"), transformers)
	r.keep.read(o, "ignored_layers", o.names("ignored_layers"), transformers)
	r.groups = append(r.groups, override{linear(), f})
}

// blockSize reads [rows, columns].
func blockSize(v any) (b [2]int, ok bool) {
	l, isList := v.([]any)
	if !isList || len(l) != 2 {
		return b, false
	}
	for i, e := range l {
		n, isNumber := e.(float64)
		if !isNumber || n < 1 || n > 1<<20 || n != float64(int(n)) {
			return b, false
		}
		b[i] = int(n)
	}
	return b, true
}

// fbgemm: Meta's FP8 of Llama 3.1 405B: an fp32 scale for each output.
func (r *Rules) fbgemm(o *object) {
	o.skip("activation_scale_ub")
	r.keep.read(o, "modules_to_not_convert", o.names("modules_to_not_convert"), transformers)
	r.groups = append(r.groups, override{linear(), formats.FP8(1, 0, 32)})
}

// mxfp4: gpt-oss, whose experts alone are converted.
func (r *Rules) mxfp4(o *object) {
	o.skip("dequantize")
	r.keep.read(o, "modules_to_not_convert", o.names("modules_to_not_convert"), transformers)
	r.groups = append(r.groups, override{matcher{classes: classes(Expert)}, formats.MXFP4()})
}

// mlx: Apple's MLX converts embedding and head too; a field named as a module changes
// or, if false, leaves it.
func (r *Rules) mlx(o *object) {
	r.Method = "mlx"
	o.skip("quant_method", "linear_class", "quantize_input")
	base, ok := o.mlxFormat(scheme{kind: "affine", bits: 4, group: 64})
	if !ok {
		return
	}
	f, ok := base.mlx(o)
	if !ok {
		return
	}
	for _, key := range o.keys() {
		if o.used[key] {
			continue
		}
		x := override{of: matcher{raw: []string{key}}}
		x.of.add(strings.ReplaceAll(key, ".switch_mlp.", ".experts."), key)
		switch v := o.fields[key].(type) {
		case bool:
			o.used[key] = true
			if v {
				x.format = f
			}
		case map[string]any:
			e, _ := o.object(key)
			s, ok := e.mlxFormat(base)
			if !ok {
				return
			}
			if x.format, ok = s.mlx(e); !ok {
				return
			}
			e.finish()
		default:
			continue // finish refuses it
		}
		r.overrides = append(r.overrides, x)
	}
	r.whole = true
	r.groups = append(r.groups, override{matcher{classes: classes(Linear, Expert, Router, Head, Embedding)}, f})
}

func (o *object) mlxFormat(base scheme) (scheme, bool) {
	s := base
	s.kind = o.text("mode", base.kind)
	s.bits = o.whole("bits", 2, 8, base.bits)
	s.group = o.whole("group_size", 1, 1<<20, base.group)
	return s, !o.failed()
}

func (s scheme) mlx(o *object) (formats.Format, bool) {
	switch s.kind {
	case "affine":
		return formats.MLX(s.bits, s.group), true
	case "mxfp4":
		return formats.MXFP4(), true
	case "mxfp8":
		return formats.MXFP8(), true
	case "nvfp4":
		return formats.NVFP4(), true
	}
	o.fail("%s.mode %s is not modelled", o.field, quoted(s.kind))
	return formats.Format{}, false
}

// bitnet: BitNet's ternary weights, four to a byte, and one scale a matrix. Files of the "online" mode
// keep 16 bits and are made ternary when they are loaded.
func (r *Rules) bitnet(o *object) {
	o.skip("linear_class", "use_rms_norm", "rms_norm_eps")
	r.keep.read(o, "modules_to_not_convert", o.names("modules_to_not_convert"), transformers)
	switch mode := o.text("quantization_mode", "offline"); mode {
	case "offline":
		r.groups = append(r.groups, override{linear(), formats.Ternary()})
	case "online":
		r.Notes = append(r.Notes, "the weights are stored in 16 bits and made ternary when they are loaded")
	default:
		o.fail("%s.quantization_mode %s is not modelled", o.field, quoted(mode))
	}
}
