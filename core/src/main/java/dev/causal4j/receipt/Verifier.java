package dev.causal4j.receipt;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.generation.Draft;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.GeneratedToken;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.receipt.Receipt.Difference;
import dev.causal4j.receipt.Receipt.Verification;
import dev.causal4j.receipt.Receipt.VerificationOptions;
import java.security.PublicKey;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * Verifies one receipt. It generates again with the claimed tokens as the draft, so prompts, rules, masks, stops and ends
 * are the engine's own, and ends at the first token that differs. Used once; not thread-safe.
 */
final class Verifier {
    /** A statement is wrong. */
    private static final class Mismatch extends Exception {
        private static final long serialVersionUID = 1;
        private final transient Object expected;
        private final transient Object got;

        Mismatch(Object expected, Object got) {
            super("", null, false, false);
            this.expected = expected;
            this.got = got;
        }
    }

    private final Receipt receipt;
    private final Statement statement;
    private final Json json;
    private final CausalLM model;
    private final VerificationOptions known;
    private String subject = "format"; // what is checked now
    private int @Nullable [] prompt;
    private int checked;
    private OptionalInt index = OptionalInt.empty(); // of the token that differs

    Verifier(Receipt receipt, CausalLM model, VerificationOptions known) {
        this.receipt = receipt;
        this.statement = new Statement(receipt.json());
        this.json = statement.json();
        this.model = model;
        this.known = known;
    }

    Verification verify() {
        try {
            statement.checkFormat();
            require("digest", receipt.hasItsDigest(), "the digest of the statement", "another");
            PublicKey signer = known.signer();
            require("signature", signer == null || receipt.isSignedBy(signer), "one of the given key", "another");
            require(
                    "arithmetic",
                    json.requireInt("arithmetic", 0, Integer.MAX_VALUE) == CausalLM.ARITHMETIC,
                    json.root().get("arithmetic"),
                    CausalLM.ARITHMETIC);
            if (!known.recompute()) {
                checkModel();
            }
            generate();
            return new Verification(true, checked, Optional.empty());
        } catch (Mismatch e) {
            return wrong(e.expected, e.got);
        } catch (FormatException | IllegalArgumentException | IllegalStateException | NonFiniteException e) {
            return wrong("a statement that holds", String.valueOf(e.getMessage()));
        }
    }

    private Verification wrong(Object expected, Object got) {
        int length = prompt == null ? 0 : prompt.length;
        OptionalInt position = index.isEmpty() ? index : OptionalInt.of(length + index.getAsInt());
        return new Verification(false, checked, Optional.of(new Difference(subject, position, index, expected, got)));
    }

    private void require(String part, boolean holds, @Nullable Object expected, @Nullable Object got) throws Mismatch {
        subject = part;
        if (!holds) {
            throw new Mismatch(String.valueOf(expected), String.valueOf(got));
        }
    }

    private void same(String part, Json stated, Json is, String key) throws Mismatch {
        Object expected = stated.root().get(key);
        Object got = is.root().get(key);
        require(part, Objects.equals(expected, got), key + " " + expected, key + " " + got);
    }

    private void checkModel() throws FormatException, Mismatch {
        subject = "model";
        Json stated = json.section("model");
        Json is = new Json(subject, Statement.model(model));
        sameFiles(stated, is);
        for (String key : List.of("dtype", "rounded", "kv_dtype")) {
            same("model", stated, is, key);
        }
        sameFiles(stated.section("adapter"), is.section("adapter"));
        same("model", stated.section("adapter"), is.section("adapter"), "merged");
        same("tokenizer", json, new Json("", Json.object("tokenizer", Statement.tokenizer(model))), "tokenizer");
    }

    private void sameFiles(Json stated, Json is) throws FormatException, Mismatch {
        List<Json> all = stated.objects("files");
        List<Json> own = is.objects("files");
        for (int i = 0; i < Math.max(all.size(), own.size()); i++) {
            String expected = file(all, i);
            String got = file(own, i);
            require("model", expected.regionMatches(0, got, 0, 64), expected, got);
        }
    }

    /** The digest, and the name for people: a file may have another one. */
    private static String file(List<Json> files, int i) throws FormatException {
        return i < files.size()
                ? files.get(i).requireString("sha256") + ", " + files.get(i).requireString("name")
                : "no file";
    }

    private void generate() throws FormatException, Mismatch {
        subject = "options";
        GenerationOptions options = statement.options(known.mark());
        subject = "output";
        Json output = json.section("output");
        int[] tokens = output.integers("tokens").stream().mapToInt(each -> each).toArray();
        String reason = output.requireString("finish_reason");
        boolean isCut = List.of(FinishReason.CANCELLED.label(), FinishReason.DEADLINE.label())
                .contains(reason);
        Claim claim = new Claim(tokens, isCut);
        String text = "";
        if (!isCut || tokens.length > 0) {
            GenerationRequest request =
                    new GenerationRequest(prompt(), options.uncached().withDraft(Draft.claim(tokens)));
            Generation generation = generation(request, claim);
            String end = generation.finishReason().label();
            text = generation.text();
            checked = claim.checked;
            if (claim.got >= 0 || checked < tokens.length) {
                index = OptionalInt.of(checked);
                throw new Mismatch(
                        checked < tokens.length ? tokens[checked] : "the end, " + reason,
                        claim.got >= 0 ? claim.got : "the end, " + end);
            }
            require("finish_reason", end.equals(isCut ? FinishReason.CANCELLED.label() : reason), reason, end);
        }
        require(
                "text",
                Sha256.hex(text).equals(output.string("text_sha256", "")),
                "a text of the stated digest",
                "another");
    }

    /** The prompt of the receipt, or the one that the verifier brings if it is that of the receipt. */
    private int[] prompt() throws FormatException, Mismatch {
        int[] stated = statement.publicPrompt();
        int[] brought = known.prompt();
        if (stated != null) {
            boolean equal = brought == null || Arrays.equals(stated, brought);
            require("prompt", stated.length > 0 && equal, stated.length + " tokens", "others");
            prompt = stated;
            return stated;
        }
        subject = "prompt";
        Json secret = json.section("prompt");
        require(
                "prompt",
                brought != null,
                "a prompt of " + secret.requireInt("count", 1, Integer.MAX_VALUE) + " tokens",
                "none");
        prompt = Objects.requireNonNull(brought);
        String digest = Statement.promptDigest(HexFormat.of().parseHex(secret.requireString("salt")), prompt);
        require("prompt", digest.equals(secret.requireString("sha256")), "the prompt of the stated digest", "another");
        return prompt;
    }

    private Generation generation(GenerationRequest request, Claim claim) throws Mismatch {
        subject = "options"; // of constraints and ids
        try {
            CompletableFuture<Generation> result = Engine.shared(model).submit(request, claim);
            subject = "output";
            return EngineControl.await(result);
        } catch (InputException e) {
            subject = "prompt";
            throw new Mismatch("a prompt for this model", String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("receipt: cancelled while it was verified");
        }
    }

    /** The claimed tokens, compared with the computed ones on the engine's thread. */
    private static final class Claim implements TokenListener {
        private final int[] tokens;
        private final boolean isCut; // it ended from outside
        private int checked;
        private int got = -1; // the first token that differs

        Claim(int[] tokens, boolean isCut) {
            this.tokens = tokens;
            this.isCut = isCut;
        }

        @Override
        public boolean accept(GeneratedToken token) {
            if (checked == tokens.length || tokens[checked] != token.token()) {
                got = token.token();
                return false;
            }
            checked++;
            return !isCut || checked < tokens.length;
        }
    }
}
