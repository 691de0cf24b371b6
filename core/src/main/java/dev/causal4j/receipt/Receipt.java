package dev.causal4j.receipt;

import dev.causal4j.FormatException;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Mark;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * A statement that anybody with the model can recompute: this model, with these options and this seed, continues this
 * prompt with these tokens. Immutable and thread-safe; equal if the statements are.
 *
 * <pre>{@code
 * CausalLM model = CausalLM.load(folder, LoadOptions.DEFAULT.withDigests(true));
 * GenerationRequest request = new Generator(model).request("Emma", GenerationOptions.DEFAULT);
 * Generation generation = new Generator(model).generate(List.of(request), TokenListener.NONE).getFirst();
 * Files.write(file, Receipt.of(model, request, generation).toJson());
 * Receipt.parse("receipt", Files.readAllBytes(file)).verify(model).verified(); // true, on any machine
 * }</pre>
 *
 * <p>A token depends on the model, the tokens before it, the options and the seed alone, so a statement that is wrong in
 * one token, option or file is found where it is wrong. It does not say who computed the text, nor when: sign it, or let
 * the other side choose a {@linkplain #withNonce nonce}.
 */
public final class Receipt {
    /** The format and its version. */
    public static final String FORMAT = "causal4j.receipt/1";

    /** Most bytes of a receipt. */
    public static final int MOST_BYTES = 1 << 24;

    /** The algorithm of signatures. */
    public static final String ALGORITHM = "Ed25519";

    static final String DIGEST = "digest";
    private static final String SIGNATURE = "signature";
    private static final int SALT_BYTES = 16;

    private final Map<String, ?> json;

    private Receipt(Map<String, ?> json) {
        this.json = json;
    }

    /**
     * The result of a verification.
     *
     * @param verified whether the statement is true
     * @param checked how many output tokens were computed and are equal
     * @param difference the first part of the statement that is wrong; empty if it is true
     */
    public record Verification(boolean verified, int checked, Optional<Difference> difference) {}

    /**
     * A part of a statement that is wrong.
     *
     * @param subject the part: format, digest, signature, arithmetic, model, tokenizer, options, prompt, output,
     *     finish_reason or text
     * @param position the position of a token that differs, in prompt and output together; empty for other parts
     * @param index the same in the output alone
     * @param expected what the receipt says: a token id or a text
     * @param got what is there instead: a token id or a text
     */
    public record Difference(String subject, OptionalInt position, OptionalInt index, Object expected, Object got) {}

    /**
     * Options of a verification: the knowledge that a verifier has beside the model.
     *
     * @param prompt the prompt, for a receipt that has only its digest; null for none
     * @param signer the key that must have signed the receipt; null for any, or none
     * @param mark the mark of the texts; null for none
     * @param recompute whether to compute the tokens with another model, such as a converted copy: files, dtypes and
     *     tokenizer are not compared
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    public record VerificationOptions(
            int @Nullable [] prompt,
            @Nullable PublicKey signer,
            @Nullable Mark mark,
            boolean recompute) {
        /** A public prompt, any signature, the same files. */
        public static final VerificationOptions DEFAULT = new VerificationOptions(null, null, null, false);
    }

    /**
     * Refuses options that no receipt can state, before a text is generated.
     *
     * @throws IllegalArgumentException if the model was loaded without digests, or the options have rules or a
     *     constraint of your own
     */
    public static void check(CausalLM model, GenerationOptions options) {
        require(model.digests().isPresent(), "a model with digests of its files", "none; load it with withDigests");
        require(options.rules().isEmpty(), "no rules of your own", "some; a receipt cannot state them");
        boolean described =
                options.constraint().map(each -> each.description().isPresent()).orElse(true);
        require(described, "a constraint that Constraint makes", "one of your own; a receipt cannot state it");
        require(
                options.stop().size() <= Statement.MOST_STOPS,
                "at most " + Statement.MOST_STOPS + " stop strings",
                "more");
    }

    private static void require(boolean holds, String expected, String got) {
        if (!holds) {
            throw new IllegalArgumentException("receipt: expected " + expected + ", got " + got);
        }
    }

    /**
     * The receipt of a generated text.
     *
     * @param request from which the model generated it
     * @throws IllegalArgumentException as {@link #check}
     */
    public static Receipt of(CausalLM model, GenerationRequest request, Generation generation) {
        check(model, request.options());
        return sealed(Statement.of(model, request, generation));
    }

    /** Adds the digest of a statement. */
    private static Receipt sealed(Map<String, Object> json) {
        json.remove(SIGNATURE);
        json.put(DIGEST, digest(json));
        return new Receipt(json);
    }

    /** The digest of a statement, whatever digest and signature it has. */
    static String digest(Map<String, ?> json) {
        Map<String, Object> stated = new HashMap<>(json);
        stated.keySet().removeAll(List.of(DIGEST, SIGNATURE));
        return Sha256.NAME + Sha256.hex(CanonicalJson.of(stated));
    }

    /**
     * Reads a receipt. Nothing that it states is checked yet.
     *
     * @param subject its name in messages
     * @throws FormatException if it is no JSON object, or longer than {@value #MOST_BYTES} bytes
     */
    public static Receipt parse(String subject, byte[] json) throws FormatException {
        if (json.length > MOST_BYTES) {
            String expected = "a receipt of at most " + MOST_BYTES + " bytes";
            throw new FormatException(subject, expected, json.length + " bytes", "is this the right file?");
        }
        return new Receipt(Json.tree(subject, json));
    }

    /** The receipt in JSON, on one line. */
    public byte[] toJson() {
        return Json.write(json);
    }

    /** The receipt as values of JSON. */
    public Map<String, ?> json() {
        return json;
    }

    /** This receipt with a text that the other side chose, without its signature. */
    public Receipt withNonce(String nonce) {
        return sealed(with("nonce", nonce));
    }

    private Map<String, Object> with(String key, Object value) {
        Map<String, Object> other = new LinkedHashMap<>(json);
        other.put(key, value);
        return other;
    }

    /**
     * This receipt with a digest of its prompt and a random salt instead of the prompt, without its signature. A verifier
     * needs the prompt.
     */
    public Receipt withPrivatePrompt() {
        byte[] salt = new byte[SALT_BYTES];
        new SecureRandom().nextBytes(salt);
        return sealed(with("prompt", new Statement(json).privatePrompt(salt)));
    }

    /**
     * This receipt with a signature of its digest.
     *
     * @param key of Ed25519
     * @throws IllegalArgumentException if the key is of another kind
     */
    public Receipt signed(PrivateKey key) {
        try {
            Signature signature = Signature.getInstance(ALGORITHM);
            signature.initSign(key);
            signature.update(signedBytes());
            String value = Base64.getEncoder().encodeToString(signature.sign());
            return new Receipt(with(SIGNATURE, Json.object("algorithm", ALGORITHM, "value", value)));
        } catch (GeneralSecurityException e) {
            throw new IllegalArgumentException("key: expected a private key of Ed25519, got " + key.getAlgorithm(), e);
        }
    }

    private byte[] signedBytes() {
        return String.valueOf(json.get(DIGEST)).getBytes(StandardCharsets.UTF_8);
    }

    /** Whether the digest is that of the statement. */
    boolean hasItsDigest() {
        byte[] computed = digest(json).getBytes(StandardCharsets.UTF_8);
        return MessageDigest.isEqual(computed, signedBytes());
    }

    /** Whether a key has signed the digest. */
    boolean isSignedBy(PublicKey key) {
        try {
            Signature signature = Signature.getInstance(ALGORITHM);
            signature.initVerify(key);
            signature.update(signedBytes());
            return json.get(SIGNATURE) instanceof Map<?, ?> signed
                    && signed.get("value") instanceof String value
                    && signature.verify(Base64.getDecoder().decode(value));
        } catch (GeneralSecurityException | IllegalArgumentException e) {
            return false;
        }
    }

    /** Whether it has a signature. */
    public boolean isSigned() {
        return json.containsKey(SIGNATURE);
    }

    /**
     * The options with which to load the stated model.
     *
     * @throws FormatException if the receipt does not state it
     */
    public LoadOptions loadOptions() throws FormatException {
        return new Statement(json).loadOptions();
    }

    /** Verifies the statement with the model that it names, loaded with {@link #loadOptions}. */
    public Verification verify(CausalLM model) {
        return verify(model, VerificationOptions.DEFAULT);
    }

    /**
     * Verifies the statement: its parts in the order of {@link Difference#subject}, until one is wrong. The tokens are
     * computed as a prompt is, many in a step, so this takes a fraction of the time of generating them.
     *
     * @throws IllegalArgumentException if the model was loaded without digests and they are to be compared
     * @throws IllegalStateException if the model is closed, or there is no memory to compute the tokens
     * @throws java.util.concurrent.CancellationException if this thread is interrupted (the flag stays set)
     */
    public Verification verify(CausalLM model, VerificationOptions options) {
        require(
                options.recompute || model.digests().isPresent(),
                "a model with digests of its files",
                "none; load it with loadOptions()");
        return new Verifier(this, options).verify(model);
    }

    /** Verifies the parts for which no model is needed: format, digest, signature and arithmetic. */
    public Verification verifyStatement(VerificationOptions options) {
        return new Verifier(this, options).verify(null);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof Receipt that && json.equals(that.json);
    }

    @Override
    public int hashCode() {
        return json.hashCode();
    }

    /** Its digest. */
    @Override
    public String toString() {
        return "Receipt[" + json.get(DIGEST) + "]";
    }
}
