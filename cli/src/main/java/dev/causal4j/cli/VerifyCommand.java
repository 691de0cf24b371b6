package dev.causal4j.cli;

import dev.causal4j.FormatException;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.receipt.Receipt;
import dev.causal4j.receipt.Receipt.Difference;
import dev.causal4j.receipt.Receipt.Verification;
import dev.causal4j.receipt.Receipt.VerificationOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Verifies receipts. */
@Command(
        name = "verify",
        description =
                "Computes the texts of receipts again, and names the first part that is wrong. The exit status is 0"
                        + " if all are true, 1 if one is not.")
final class VerifyCommand extends Subcommand {
    @Parameters(paramLabel = "FILE", description = "File with receipts, one a line; - reads standard input.")
    private String file = "";

    @Option(names = "--prompt", paramLabel = "TEXT", description = "The prompt, if a receipt has only its digest.")
    private @Nullable String prompt;

    @Option(names = "--tokens", paramLabel = "IDS", description = "The same as token ids, for instance 1028,363.")
    private @Nullable String tokens;

    @Option(names = "--public-key", paramLabel = "FILE", description = "The Ed25519 key in PEM that must have signed.")
    private @Nullable Path publicKey;

    @Option(
            names = "--recompute",
            description = "Do not compare files, dtypes and tokenizer, but the computed text: for a converted copy.")
    private boolean recompute;

    @Mixin
    private TextOptions texts;

    @Mixin
    private MarkOption mark;

    @Mixin
    private ModelOptions model;

    @Mixin
    private AdapterOption adapter;

    private @Nullable CausalLM loaded;
    private LoadOptions loadedWith = LoadOptions.DEFAULT;
    private boolean tellsSignature = true;
    private int receipts;
    private int verified;

    @Override
    public Integer call() throws IOException {
        refuse(prompt != null && tokens != null, "prompt: expected --prompt or --tokens, got both");
        refuse(model.dtype().isPresent() && !recompute, "dtype: expected --recompute beside it, got none");
        VerificationOptions known = new VerificationOptions(
                tokens == null ? null : TokenIds.parse(spec, "tokens", tokens),
                publicKey == null ? null : SigningOption.publicKey(publicKey),
                mark.read().orElse(null),
                recompute);
        try {
            answerLines(file, (subject, line) -> {
                Verification found = verify(subject, line, known);
                receipts++;
                verified += found.verified() ? 1 : 0;
                return json ? document(found) : subject + ": " + told(found);
            });
            boolean isWhole = !stdout().checkError();
            if (receipts == 0 && isWhole) {
                throw new IOException(TextInput.name(file) + ": expected receipts, one a line, got none");
            }
            return verified == receipts && isWhole ? 0 : 1;
        } finally {
            if (loaded != null) {
                loaded.close();
            }
        }
    }

    private Verification verify(String subject, byte[] json, VerificationOptions known) throws IOException {
        Receipt receipt;
        try {
            receipt = Receipt.parse(subject, json);
        } catch (FormatException e) {
            return wrong("format", Receipt.FORMAT, e);
        }
        Verification stated = receipt.verifyStatement(known);
        if (!stated.verified()) {
            return stated;
        }
        if (receipt.isSigned() && publicKey == null && tellsSignature) {
            tellsSignature = false;
            stderr().println("signature: not checked; give --public-key");
        }
        CausalLM with;
        try {
            LoadOptions options = receipt.loadOptions();
            with = load(model.dtype().map(options::withDtype).orElse(options));
        } catch (FormatException | IllegalArgumentException e) {
            return wrong("model", "one that can be loaded as stated", e);
        }
        int[] ids = prompt == null ? known.prompt() : texts.encode(with.requireTokenizer(), TextInput.argument(prompt));
        return receipt.verify(with, new VerificationOptions(ids, known.signer(), known.mark(), recompute));
    }

    private static Verification wrong(String subject, String expected, Exception got) {
        String message = String.valueOf(got.getMessage());
        Difference difference = new Difference(subject, OptionalInt.empty(), OptionalInt.empty(), expected, message);
        return new Verification(false, 0, Optional.of(difference));
    }

    /** The model as a receipt states it; it stays for the next receipt. */
    private CausalLM load(LoadOptions options) throws IOException {
        if (loaded == null || !options.equals(loadedWith)) {
            if (loaded != null) {
                loaded.close();
            }
            loaded = adapter.addTo(model.open().load(options));
            loadedWith = options;
        }
        return loaded;
    }

    private static Document document(Verification found) {
        Document document = new Document().put("verified", found.verified()).put("checked", found.checked());
        found.difference().ifPresent(each -> {
            document.put("subject", each.subject());
            each.position().ifPresent(position -> document.put("position", position));
            each.index().ifPresent(index -> document.put("index", index));
            document.put("expected", each.expected()).put("got", each.got());
        });
        return document;
    }

    private static String told(Verification found) {
        if (found.difference().isEmpty()) {
            return "verified, " + found.checked() + " tokens";
        }
        Difference wrong = found.difference().get();
        String at = wrong.index().isPresent()
                ? " token " + wrong.index().getAsInt() + " (position "
                        + wrong.position().orElseThrow() + ")"
                : "";
        return "not verified, " + wrong.subject() + at + ": expected " + shown(wrong.expected()) + ", got "
                + shown(wrong.got());
    }

    private static String shown(Object value) {
        return value instanceof String text ? Visible.quoted(text) : value.toString();
    }
}
