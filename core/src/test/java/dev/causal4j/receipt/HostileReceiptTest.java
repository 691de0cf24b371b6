package dev.causal4j.receipt;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.RandomRequests;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.receipt.Receipt.Difference;
import dev.causal4j.receipt.Receipt.Verification;
import dev.causal4j.receipt.Receipt.VerificationOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(300)
class HostileReceiptTest extends ReceiptFixture {
    @Test
    void whatNobodyChecksIsRefused() throws IOException {
        Constraint letters = Constraint.regex("[a-z]{4}");
        Receipt receipt = receipt(GenerationOptions.DEFAULT
                .withMaxNewTokens(4)
                .withConstraint(letters)
                .withMark(RandomRequests.MARK));
        assertTrue(receipt, model);
        for (String part : List.of("constraint", "mark")) {
            Map<String, Object> json = sealed(receipt, part + "/claim", _ -> "by anybody");
            assertThat(Receipt.parse("receipt", Json.write(json))
                            .verify(model, KNOWN)
                            .verified())
                    .as(part)
                    .isFalse();
        }
        Receipt secret =
                read(receipt(GenerationOptions.DEFAULT.withMaxNewTokens(4)).withPrivatePrompt());
        VerificationOptions brought = new VerificationOptions(PROMPT, null, null, false);
        assertThat(secret.verify(model, brought).verified()).isTrue();
        Map<String, Object> longer = sealed(secret, "prompt/count", _ -> 100_000);
        assertThat(Receipt.parse("receipt", Json.write(longer))
                        .verify(model, brought)
                        .verified())
                .isFalse();
    }

    /** Receipts of strangers: an answer of one line within a second each, and no exception but a format's. */
    @Test
    void hostileReceiptsAreRefused() throws IOException {
        Receipt receipt = receipt(GenerationOptions.DEFAULT.withMaxNewTokens(4));
        List<Map<String, Object>> hostile = new ArrayList<>();
        for (String path : List.of(
                "format",
                "arithmetic",
                "model",
                "tokenizer",
                "options",
                "constraint",
                "rules",
                "mark",
                "seed",
                "prompt",
                "output",
                "digest",
                "options/temperature",
                "options/top_k",
                "options/eos",
                "options/stop",
                "options/logit_bias",
                "prompt/tokens",
                "output/tokens",
                "output/finish_reason",
                "output/text_sha256",
                "model/files",
                "model/dtype")) {
            for (Object value : List.of(
                    Json.NULL,
                    -1,
                    "NaN",
                    "\ud800",
                    List.of(1, "x"),
                    Map.of("x", 1),
                    1L << 40,
                    true,
                    List.of(),
                    Map.of())) {
                if (path.matches("options/(eos|stop|logit_bias)")
                        && List.of(Json.NULL, Map.of(), List.of()).contains(value)) {
                    continue; // another way to state none
                }
                Map<String, Object> json = changed(receipt.json(), List.of(path.split("/")), _ -> value);
                if (!path.equals("digest") && !value.equals("\ud800")) {
                    json.put("digest", "sha256:" + Sha256.hex(CanonicalJson.of(unsealed(json))));
                }
                hostile.add(json);
            }
        }
        hostile.add(sealed(receipt, "library", _ -> 1));
        List<String> stops = new ArrayList<>();
        for (int i = 0; i < 1_000_000; i++) {
            stops.add("s" + i);
        }
        hostile.add(sealed(receipt, "options/stop", _ -> stops));
        Integer[] many = new Integer[1_000_000];
        Arrays.fill(many, 97);
        hostile.add(sealed(receipt, "prompt/tokens", _ -> List.of(many)));
        hostile.add(sealed(receipt, "output/tokens", _ -> List.of(many)));
        hostile.add(sealed(receipt, "output/tokens", _ -> List.of(-1, Integer.MAX_VALUE)));
        hostile.add(sealed(receipt, "options/eos", _ -> List.of(300_000)));
        hostile.add(sealed(
                receipt,
                "constraint",
                _ -> Map.of(
                        "kind",
                        "grammar",
                        "values",
                        List.of("root ::= root root | [a-z]{1,999999}"),
                        "parts",
                        List.of())));
        hostile.add(sealed(
                receipt,
                "constraint",
                _ -> Map.of(
                        "kind",
                        "regex",
                        "values",
                        List.of("(a{1,1000}){1,1000}{1,1000}".repeat(100)),
                        "parts",
                        List.of())));
        for (Map<String, Object> json : hostile) {
            if (json.equals(receipt.json())) {
                continue;
            }
            byte[] bytes = Json.write(json);
            long start = System.nanoTime();
            Verification verification;
            try {
                verification = Receipt.parse("receipt", bytes).verify(model);
            } catch (FormatException e) {
                assertThat(e).hasMessageNotContaining("\n");
                continue;
            }
            assertThat((System.nanoTime() - start) / 1e9).isLessThan(5); // a second, on a machine that is busy
            assertThat(verification.verified())
                    .as(json.toString().length() > 2000 ? "long" : json.toString())
                    .isFalse();
            Difference difference = verification.difference().orElseThrow();
            assertThat(difference.subject() + difference.expected() + difference.got())
                    .doesNotContain("\n");
        }
        assertThatThrownBy(() -> Receipt.parse("receipt", new byte[20_000_000]))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("at most 16777216 bytes");
    }
}
