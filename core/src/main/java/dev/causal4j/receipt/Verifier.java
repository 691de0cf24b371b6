package dev.causal4j.receipt;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.MemoryLimitException;
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
    private final VerificationOptions known;
    private String subject = "format"; // what is checked now
    private int @Nullable [] prompt;
    private int checked;
    private OptionalInt index = OptionalInt.empty(); // of the token that differs

    Verifier(Receipt receipt, VerificationOptions known) {
        this.receipt = receipt;
        this.statement = new Statement(receipt.json());
        this.json = statement.json();
        this.known = known;
    }

    /** Verifies the parts for which no model is needed, and with one all. */
    Verification verify(@Nullable CausalLM model) {
        try {
            statement.checkFormat();
            require("digest", receipt.hasItsDigest(), "the digest of the statement", "another");
            PublicKey signer = known.signer();
            require("signature", signer == null || receipt.isSignedBy(signer), "one of the given key", "another");
            int arithmetic = json.requireInt("arithmetic", 0, Integer.MAX_VALUE);
            require("arithmetic", arithmetic == CausalLM.ARITHMETIC, arithmetic, CausalLM.ARITHMETIC);
            if (model != null && !known.recompute()) {
                checkModel(model);
            }
            if (model != null) {
                generate(Engine.shared(model));
            }
            return new Verification(true, checked, Optional.empty());
        } catch (Mismatch e) {
            return wrong(e.expected, e.got);
        } catch (FormatException | IllegalArgumentException | NonFiniteException e) {
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

    private void checkModel(CausalLM model) throws FormatException, Mismatch {
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
            boolean equal =
                    i < Math.min(all.size(), own.size()) && sha256(all.get(i)).equals(sha256(own.get(i)));
            require("model", equal, expected, got);
        }
    }

    private static String file(List<Json> files, int i) throws FormatException {
        return i < files.size() ? files.get(i).requireString("name") + ", " + sha256(files.get(i)) : "no file";
    }

    /** Digest and size. Names are for people: a file may have another one. */
    private static String sha256(Json file) throws FormatException {
        return "sha256 " + file.requireString("sha256") + ", size "
                + file.root().get("size");
    }

    private void generate(Engine engine) throws FormatException, Mismatch {
        subject = "options";
        GenerationOptions options = statement.options(known.mark());
        subject = "output";
        Json output = json.section("output");
        int[] tokens = output.integers("tokens").stream().mapToInt(each -> each).toArray();
        String reason = output.requireString("finish_reason");
        boolean isCut = List.of(FinishReason.CANCELLED.label(), FinishReason.DEADLINE.label())
                .contains(reason);
        Claim claim = new Claim(tokens, isCut);
        GenerationRequest request =
                new GenerationRequest(prompt(), options.uncached().withDraft(Draft.claim(tokens)));
        Generation generation = generation(engine, request, claim);
        String end = generation.finishReason().label();
        checked = claim.checked;
        if (claim.got >= 0 || checked < tokens.length) {
            index = OptionalInt.of(checked);
            throw new Mismatch(
                    checked < tokens.length ? tokens[checked] : "the end, " + reason,
                    claim.got >= 0 ? claim.got : "the end, " + end);
        }
        require("finish_reason", isCut || end.equals(reason), reason, end);
        String text = isCut && tokens.length == 0 ? "" : generation.text();
        boolean equal = Sha256.hex(text).equals(output.string("text_sha256", ""));
        require("text", equal, "a text of the stated digest", "another");
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

    private Generation generation(Engine engine, GenerationRequest request, Claim claim) throws Mismatch {
        subject = "options"; // of constraints and ids
        CompletableFuture<Generation> result = new CompletableFuture<>();
        try {
            result = engine.submit(request, claim);
            subject = "output";
            return EngineControl.await(result);
        } catch (InputException e) {
            subject = "prompt";
            throw new Mismatch("a prompt for this model", String.valueOf(e.getMessage()));
        } catch (MemoryLimitException e) {
            throw e;
        } catch (IllegalStateException e) { // rules ban all tokens
            throw new Mismatch("a text", String.valueOf(e.getMessage()));
        } catch (InterruptedException e) {
            result.cancel(true);
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
            boolean isOver = checked == tokens.length;
            if (isOver && isCut) {
                return false; // of no token
            }
            if (isOver || tokens[checked] != token.token()) {
                got = token.token();
                return false;
            }
            checked++;
            return !isCut || checked < tokens.length;
        }
    }
}
