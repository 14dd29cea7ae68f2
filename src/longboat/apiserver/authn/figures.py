"""How often which sort of ServiceAccount token was used, under upstream's names (serviceaccount/metrics)."""

from __future__ import annotations

from collections import Counter

LEGACY, MANUAL, GENERATED = "legacy_tokens_total", "legacy_manual_token_uses_total", "legacy_auto_token_uses_total"
INVALID, STALE, VALID = "invalid_legacy_auto_token_uses_total", "stale_tokens_total", "valid_tokens_total"
HELP = {
    LEGACY: "Cumulative legacy service account tokens used",
    MANUAL: "Cumulative manually created legacy tokens used",
    GENERATED: "Cumulative auto-generated legacy tokens used",
    INVALID: "Cumulative invalid auto-generated legacy tokens used",
    STALE: "Cumulative stale projected service account tokens used",
    VALID: "Cumulative valid projected service account tokens used",
}
USES: Counter[str] = Counter()
