package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
)

// promised are the JSON fields that other programs rely on: fields are added, never
// renamed. Dots nest, [] is the first of a list.
var promised = []struct {
	args   []string
	fields string
}{
	{[]string{"estimate", "phi4-mini-flash"}, estimateFields},
	{[]string{"compare", "phi4-mini", "phi4-mini-flash"},
		"baseline rows[].speedup rows[].tokens_per_second_at_max_batch rows[]." + strings.ReplaceAll(estimateFields, " ", " rows[].")},
	{[]string{"models", "phi4-mini-flash"}, `name d_model layers[].mixer layers[].ffn layers[].reads_cache_of
		layers[].reads_memory_of params.total params.embedding params.non_embedding params.counting_form`},
	{[]string{"claims"}, `hardware judge claims[].id claims[].source claims[].verdict claims[].claimed claims[].limit claims[].roofline
		claims[].calibrated claims[].simulated claims[].reason claims[].statement claims[].setting claims[].working`},
	{[]string{"advise", "phi4-mini-flash"}, `model hardware fidelity basis workload.batch warnings advice[].id advice[].severity
		advice[].source advice[].measured advice[].value advice[].unit`},
	{[]string{"scale", "sambay(d=16)", "--match", "transformer++(d=16)", "--by", "counting-form"},
		"by solve reference.model rows[].model rows[].spec rows[].depth rows[].width rows[].aspect_ratio rows[].params rows[].counting_form rows[].value rows[].off"},
	{[]string{"scale", "mup", "sambay(d=24)"}, `model depth width base.learning_rate rule learning_rate groups[].name groups[].learning_rate
		groups[].weight_decay groups[].init.distribution residual_multiplier logit_multiplier batch_tokens tokens steps warmup_steps
		beta1 beta2 epsilon schedule alternatives[].rule alternatives[].learning_rate equal_flops.card.depth differences[].what`},
	{[]string{"scale", "train", "sambay(d=16)"}, `rows[].model rows[].forward_flops_per_token rows[].backward_flops_per_token rows[].kinds[].kind
		rows[].kinds[].share rows[].tokens rows[].flops rows[].gpu_hours rows[].utilisation`},
	{[]string{"scale", "train", "--speeds"}, "rows[].model rows[].measured_tokens_per_second rank_correlation_flops rank_correlation_with_scan"},
	{[]string{"hardware", "a100-80gb"}, `name title vendor arch peak_flops.bf16.value peak_flops.bf16.source
		memory_bandwidth.value memory_capacity.value cache.value units.value link_bandwidth.value tdp.value sources.datasheet`},
}

const estimateFields = `model hardware fidelity basis workload.prompt workload.generate workload.batch ` +
	`params.total params.embedding params.non_embedding memory.weights_bytes memory.cache_bytes_per_token ` +
	`memory.cache_read_bytes_per_token memory.state_bytes_per_sequence memory.max_batch memory.fits memory.missing_bytes ` +
	`prefill.seconds prefill.flops prefill.bytes decode.first_step_seconds decode.last_step_seconds ` +
	`decode.mean_step_seconds decode.tokens_per_second decode.flops_per_token decode.bytes_per_token decode.bound ` +
	`ttft_seconds tpot_seconds request_seconds interval.low interval.high`

func TestPromisedJSON(t *testing.T) {
	for _, p := range promised {
		var out, errs bytes.Buffer
		if code := run(context.Background(), append(p.args, "--format", "json"), &out, &errs); code != 0 {
			t.Fatalf("%v: exit %d: %s", p.args, code, errs.String())
		}
		var v any
		if err := json.Unmarshal(out.Bytes(), &v); err != nil {
			t.Fatalf("%v: %v", p.args, err)
		}
		for _, f := range strings.Fields(p.fields) {
			if !has(v, strings.Split(strings.ReplaceAll(f, "[]", ".[]"), ".")) {
				t.Errorf("%v: JSON has no %s", p.args, f)
			}
		}
	}
}

// has follows a path through decoded JSON.
func has(v any, path []string) bool {
	if len(path) == 0 {
		return true
	}
	if path[0] == "[]" {
		list, ok := v.([]any)
		return ok && len(list) > 0 && has(list[0], path[1:])
	}
	object, ok := v.(map[string]any)
	if !ok {
		return false
	}
	next, ok := object[path[0]]
	return ok && has(next, path[1:])
}
