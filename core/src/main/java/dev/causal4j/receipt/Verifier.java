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
            subject = "digest";
            same(true, receipt.hasItsDigest(), "the digest of the statement", "another");
            subject = "signature";
            same(true, known.signer() == null || receipt.isSignedBy(known.signer()), "one of the given key", "another");
            subject = "arithmetic";
            same(json.root().get("arithmetic"), CausalLM.ARITHMETIC);
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

    private static void same(@Nullable Object stated, @Nullable Object is) throws Mismatch {
        same(stated, is, "" + stated, "" + is);
    }

    private static void same(@Nullable Object stated, @Nullable Object is, Object expected, Object got)
            throws Mismatch {
        if (!Objects.equals(stated, is)) {
            throw new Mismatch(expected, got);
        }
    }

    private void checkModel() throws FormatException, Mismatch {
        subject = "model";
        Json stated = json.section("model");
        Json is = new Json("model", Statement.model(model));
        sameFiles(stated, is);
        for (String name : List.of("dtype", "rounded", "kv_dtype")) {
            same(
                    stated.string(name, "none"),
                    is.string(name, "none"),
                    name + " " + stated.string(name, "none"),
                    is.string(name, "none"));
        }
        same(stated.has("adapter"), is.has("adapter"), "adapter: " + stated.has("adapter"), is.has("adapter"));
        if (is.has("adapter")) {
            sameFiles(stated.section("adapter"), is.section("adapter"));
            same(
                    stated.section("adapter").bool("merged", false),
                    is.section("adapter").bool("merged", false));
        }
        subject = "tokenizer";
        same(json.root().get("tokenizer"), Statement.tokenizer(model));
    }

    private static void sameFiles(Json stated, Json is) throws FormatException, Mismatch {
        List<Json> all = stated.objects("files");
        List<Json> own = is.objects("files");
        for (int i = 0; i < Math.max(all.size(), own.size()); i++) {
            String expected = i < all.size() ? file(all.get(i)) : "no other file";
            String got = i < own.size() ? file(own.get(i)) : "no other file";
            same(sha256(all, i), sha256(own, i), expected, got);
        }
    }

    private static String file(Json file) throws FormatException {
        return file.requireString("name") + ", sha256 " + file.requireString("sha256");
    }

    /** Names are for people: a file may have another one. */
    private static String sha256(List<Json> files, int i) throws FormatException {
        return i < files.size() ? files.get(i).requireString("sha256") : "";
    }

    private void generate() throws FormatException, Mismatch {
        subject = "options";
        GenerationOptions options = statement.options();
        Json output = json.section("output");
        int[] tokens = output.integers("tokens").stream().mapToInt(each -> each).toArray();
        String reason = output.requireString("finish_reason");
        subject = "prompt";
        int[] begin = prompt();
        prompt = begin;
        Claim claim = new Claim(
                tokens,
                List.of(FinishReason.CANCELLED.label(), FinishReason.DEADLINE.label())
                        .contains(reason));
        subject = "options";
        Generation generation =
                generation(new GenerationRequest(begin, options.uncached().withDraft(Draft.claim(tokens))), claim);
        subject = "output";
        checked = claim.checked;
        String end = generation.finishReason().label();
        if (claim.got >= 0 || checked < tokens.length) {
            index = OptionalInt.of(checked);
            throw new Mismatch(
                    checked < tokens.length ? tokens[checked] : "the end, " + reason,
                    claim.got >= 0 ? claim.got : "the end, " + end);
        }
        subject = "finish_reason";
        same(claim.isCut ? FinishReason.CANCELLED.label() : reason, end, reason, end);
        subject = "text";
        String text = Sha256.hex(generation.text());
        same(output.string("text_sha256", ""), text, "sha256 " + output.string("text_sha256", ""), "sha256 " + text);
    }

    /** The prompt of the receipt, or the one that the verifier brings if it is that of the receipt. */
    private int[] prompt() throws FormatException, Mismatch {
        int[] stated = statement.publicPrompt();
        int[] brought = known.prompt();
        if (stated != null) {
            same(true, stated.length > 0, "at least one token", "none");
            same(true, brought == null || Arrays.equals(stated, brought), stated.length + " tokens", "other tokens");
            return stated;
        }
        Json secret = json.section("prompt");
        if (brought == null) {
            throw new Mismatch("a prompt of " + secret.requireInt("count", 1, Integer.MAX_VALUE) + " tokens", "none");
        }
        byte[] salt = HexFormat.of().parseHex(secret.requireString("salt"));
        same(
                secret.requireString("sha256"),
                Receipt.promptDigest(salt, brought),
                "the prompt of the digest",
                "another");
        return brought;
    }

    private Generation generation(GenerationRequest request, Claim claim) throws Mismatch {
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
