package dev.causal4j.receipt;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.MemoryLimitException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.generation.Draft;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.FinishReason;
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
        private final transient Difference difference;

        Mismatch(Difference difference) {
            super("", null, false, false);
            this.difference = difference;
        }
    }

    private final Receipt receipt;
    private final Statement statement;
    private final VerificationOptions known;
    private String subject = "format"; // what is checked now
    private int checked;

    Verifier(Receipt receipt, VerificationOptions known) {
        this.receipt = receipt;
        this.statement = new Statement(receipt.json());
        this.known = known;
    }

    /** Verifies the parts for which no model is needed, and with one all. */
    Verification verify(@Nullable CausalLM model) {
        try {
            statement.checkFormat();
            require("digest", receipt.hasItsDigest(), "the digest of the statement", "another");
            PublicKey signer = known.signer();
            require("signature", signer == null || receipt.isSignedBy(signer), "one of the given key", "another");
            int arithmetic = statement.json().requireInt("arithmetic", 0, Integer.MAX_VALUE);
            require("arithmetic", arithmetic == CausalLM.ARITHMETIC, arithmetic, CausalLM.ARITHMETIC);
            if (model != null && !known.recompute()) {
                checkModel(model);
            }
            if (model != null) {
                generate(Engine.shared(model));
            }
            return new Verification(true, checked, Optional.empty());
        } catch (Mismatch e) {
            return new Verification(false, checked, Optional.of(e.difference));
        } catch (FormatException | IllegalArgumentException | NonFiniteException e) {
            return new Verification(false, checked, Optional.of(difference("a statement that holds", e.getMessage())));
        }
    }

    private Difference difference(@Nullable Object expected, @Nullable Object got) {
        return new Difference(
                subject, OptionalInt.empty(), OptionalInt.empty(), String.valueOf(expected), String.valueOf(got));
    }

    private void require(String part, boolean holds, @Nullable Object expected, @Nullable Object got) throws Mismatch {
        subject = part;
        if (!holds) {
            throw new Mismatch(difference(expected, got));
        }
    }

    private void same(String part, Json stated, Json is, String key) throws Mismatch {
        Object expected = stated.root().get(key);
        Object got = is.root().get(key);
        require(part, Objects.equals(expected, got), key + " " + expected, key + " " + got);
    }

    private void checkModel(CausalLM model) throws FormatException, Mismatch {
        subject = "model";
        Json loaded = Statement.loaded(model);
        Json stated = statement.json().section("model");
        Json is = loaded.section("model");
        sameFiles(stated, is);
        for (String key : List.of("dtype", "rounded", "kv_dtype")) {
            same("model", stated, is, key);
        }
        sameFiles(stated.section("adapter"), is.section("adapter"));
        same("model", stated.section("adapter"), is.section("adapter"), "merged");
        same("tokenizer", statement.json(), loaded, "tokenizer");
    }

    /** Compares digests and sizes. Names are for people: a file may have another one. */
    private void sameFiles(Json stated, Json is) throws FormatException, Mismatch {
        List<Json> all = stated.objects("files");
        List<Json> own = is.objects("files");
        for (int i = 0; i < Math.max(all.size(), own.size()); i++) {
            boolean equal = file(all, i, false).equals(file(own, i, false));
            require("model", equal, file(all, i, true), file(own, i, true));
        }
    }

    private static String file(List<Json> files, int i, boolean named) throws FormatException {
        if (i >= files.size()) {
            return "no file";
        }
        Json file = files.get(i);
        return (named ? file.requireString("name") + ", " : "") + "sha256 " + file.requireString("sha256") + ", size "
                + file.root().get("size");
    }

    private void generate(Engine engine) throws FormatException, Mismatch {
        subject = "options";
        GenerationOptions options = statement.options(known.mark());
        subject = "output";
        Json output = statement.json().section("output");
        int[] claimed =
                output.integers("tokens").stream().mapToInt(each -> each).toArray();
        String reason = output.requireString("finish_reason");
        boolean isCut = List.of(FinishReason.CANCELLED.label(), FinishReason.DEADLINE.label())
                .contains(reason); // from outside
        int[] prompt = prompt();
        GenerationRequest request =
                new GenerationRequest(prompt, options.uncached().withDraft(Draft.claim(claimed)));
        int[] count = {0};
        Generation generation = generation(engine, request, token -> {
            int i = count[0]++;
            return i < claimed.length && claimed[i] == token.token() && !(isCut && count[0] == claimed.length);
        });
        int[] made = generation.tokens();
        int[] got = isCut ? Arrays.copyOf(made, Math.min(made.length, claimed.length)) : made;
        String end = generation.finishReason().label();
        int differs = Arrays.mismatch(claimed, got);
        checked = differs < 0 ? claimed.length : differs;
        if (differs >= 0) {
            throw new Mismatch(new Difference(
                    subject,
                    OptionalInt.of(prompt.length + differs),
                    OptionalInt.of(differs),
                    differs < claimed.length ? claimed[differs] : "the end, " + reason,
                    differs < got.length ? got[differs] : "the end, " + end));
        }
        require("finish_reason", isCut || end.equals(reason), reason, end);
        String text = isCut && claimed.length == 0 ? "" : generation.text();
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
            return stated;
        }
        subject = "prompt";
        Json secret = statement.json().section("prompt");
        int length = secret.requireInt("count", 1, Integer.MAX_VALUE);
        require("prompt", brought != null, "a prompt of " + length + " tokens", "none");
        byte[] salt = HexFormat.of().parseHex(secret.requireString("salt"));
        String digest = Statement.promptDigest(salt, Objects.requireNonNull(brought));
        boolean equal = length == brought.length && digest.equals(secret.requireString("sha256"));
        require("prompt", equal, "the prompt of the stated length and digest", "another");
        return brought;
    }

    private Generation generation(Engine engine, GenerationRequest request, TokenListener listener) throws Mismatch {
        subject = "options"; // of constraints and ids
        CompletableFuture<Generation> result = new CompletableFuture<>();
        try {
            result = engine.submit(request, listener);
            subject = "output";
            return EngineControl.await(result);
        } catch (InputException e) {
            subject = "prompt";
            throw new Mismatch(difference("a prompt for this model", e.getMessage()));
        } catch (MemoryLimitException e) {
            throw e;
        } catch (IllegalStateException e) { // rules ban all tokens
            throw new Mismatch(difference("a text", e.getMessage()));
        } catch (InterruptedException e) {
            result.cancel(true);
            Thread.currentThread().interrupt();
            throw new CancellationException("receipt: cancelled while it was verified");
        }
    }
}
