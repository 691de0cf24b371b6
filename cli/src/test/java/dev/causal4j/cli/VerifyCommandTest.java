package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Base64;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;

class VerifyCommandTest {
    @TempDir
    Path folder;

    private String receipt;

    @BeforeEach
    void generate() {
        receipt = folder.resolve("r.jsonl").toString();
        Program.run("generate", "Emma was", "--max-new-tokens", "20", "--seed", "5", "--receipt", receipt)
                .done();
    }

    @Test
    void receiptsOfAFileAreVerified() {
        Program.run("generate", "It is", "--top-p", "0.9", "--stop", "the", "--receipt", receipt, "--dtype", "int8")
                .done();
        Program.Run all = Program.run("verify", receipt).done();
        assertThat(all.out().lines()).hasSize(2).allMatch(line -> line.contains(": verified, "));
        JsonNode first = Program.runWithInput(lines().getFirst(), "verify", "-", "--json")
                .json();
        assertThat(first.toString()).isEqualTo("{\"verified\":true,\"checked\":20}");
    }

    private java.util.List<String> lines() {
        try {
            return Files.readAllLines(Path.of(receipt));
        } catch (java.io.IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aWrongTokenIsNamedWithItsPlace() {
        String wrong = lines().getFirst().replaceFirst("\"seed\":\"5\"", "\"seed\":\"6\"");
        Program.Run other = Program.runWithInput(wrong, "verify", "-", "--json");
        assertThat(other.status()).isEqualTo(1);
        assertThat(other.out()).contains("\"verified\":false").contains("\"subject\":\"digest\"");
        Program.run("generate", "Emma was", "--max-new-tokens", "20", "--seed", "6", "--receipt", folder + "/o.json")
                .done();
        Program.Run two = Program.runWithInput("{}\nx\n" + lines().getFirst(), "verify", "-");
        assertThat(two.status()).isEqualTo(1);
        assertThat(two.out().lines().toList())
                .satisfiesExactly(
                        line -> assertThat(line).startsWith("standard input line 1: not verified, format: expected "),
                        line -> assertThat(line).startsWith("standard input line 2: not verified, format: expected "),
                        line -> assertThat(line).isEqualTo("standard input line 3: verified, 20 tokens"));
    }

    @Test
    void aPrivatePromptIsGivenToVerify() {
        String file = folder + "/private.json";
        Program.run("generate", "Emma was", "--max-new-tokens", "9", "--receipt", file, "--private-prompt")
                .done();
        assertThat(Program.run("verify", file).status()).isEqualTo(1);
        assertThat(Program.run("verify", file, "--prompt", "Emma is").status()).isEqualTo(1);
        assertThat(Program.run("verify", file, "--prompt", "Emma was").status()).isZero();
        assertThat(Program.run("verify", file, "--tokens", "1749,304").status()).isZero();
    }

    @Test
    void aSignatureIsCheckedWithItsKey() throws Exception {
        KeyPair pair = KeyPairGenerator.getInstance("Ed25519").generateKeyPair();
        Path secret = pem("PRIVATE KEY", pair.getPrivate().getEncoded());
        Path open = pem("PUBLIC KEY", pair.getPublic().getEncoded());
        String file = folder + "/signed.json";
        Program.run("generate", "--max-new-tokens", "9", "--receipt", file, "--sign-key", secret.toString())
                .done();
        Program.run("verify", file, "--public-key", open.toString()).done();
        assertThat(Program.run("verify", receipt, "--public-key", open.toString())
                        .out())
                .contains("signature: expected");
        assertThat(Program.run("verify", file).err())
                .isEqualToIgnoringNewLines("signature: not checked; give --public-key");
        Program.run("verify", file, "--public-key", secret.toString())
                .refused(1, "expected a PUBLIC KEY of Ed25519 in PEM");
    }

    private Path pem(String label, byte[] bytes) throws java.io.IOException {
        String text = "-----BEGIN " + label + "-----\n"
                + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(bytes) + "\n-----END " + label
                + "-----\n";
        return Files.write(folder.resolve(label.replace(" ", "") + ".pem"), text.getBytes(StandardCharsets.US_ASCII));
    }

    @Test
    void aConversationHasAReceiptForEachAnswer() {
        String file = folder + "/chat.jsonl";
        Program.runWithInput("Hello\nGood day\n", "chat", "--receipts", file, "--max-new-tokens", "12", "--json");
        Program.Run all = Program.run("verify", file).done();
        assertThat(all.out().lines()).hasSize(2).allMatch(line -> line.endsWith(": verified, 12 tokens"));
    }

    @Test
    void aFileOfOtherTextIsKept() throws Exception {
        Path note = Files.writeString(folder.resolve("note.txt"), "no line end");
        Program.run("generate", "Emma", "--receipt", note.toString()).refused(1, "expected whole lines");
        assertThat(note).hasContent("no line end");
        Program.run("generate", "Emma", "--receipt", folder + "/none/r.json").refused(1, "none/r.json");
    }

    @Test
    void aModelThatCannotBeLoadedAsStatedIsADifference() throws Exception {
        String other = folder + "/int8.json";
        Program.run("generate", "Emma", "--max-new-tokens", "5", "--dtype", "int8", "--receipt", other)
                .done();
        Program.run("convert", "--dtype", "bf16", "--out", folder + "/panels").done();
        Program.Run found = Program.run("verify", other, "--model", folder + "/panels");
        assertThat(found.status()).isEqualTo(1);
        assertThat(found.out()).contains("not verified, model: expected \"one that can be loaded as stated\"");
    }

    @Test
    void wrongUsageIsRefused() {
        Program.run("verify", folder + "/none").refused(1, "no such file");
        Program.runWithInput("\n\n", "verify", "-").refused(1, "expected receipts, one a line, got none");
        Program.runWithInput("", "verify", "-").refused(1, "expected receipts, one a line, got none");
        Program.run("verify", receipt, "--dtype", "f32").refused(2, "dtype: expected --recompute beside it");
        Program.run("generate", "--private-prompt").refused(2, "receipt: expected --receipt FILE, got none");
        Program.run("serve", "--sign-key", "x").refused(2, "sign-key: expected --receipts beside it");
    }
}
