package dev.causal4j.cli;

import dev.causal4j.json.Sha256;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.scoring.ScoringRequest;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Function;
import picocli.CommandLine;

/** Scores the texts of a JSON Lines file. Not thread-safe. */
final class ScoreLines extends ResultLines<ScoringRequest, Score> {
    private static final String NLL = "nll";

    private final Function<String, ScoringRequest> requests;
    private final Function<List<ScoringRequest>, List<Score>> scoring;
    private final ScoreDocument documents;

    private final MessageDigest bits = Sha256.begin(); // of the texts' digests
    private boolean hasBits = true;
    private Totals totals = Totals.ZERO;

    /**
     * @param requests encodes a text
     * @param scoring scores some texts
     */
    ScoreLines(
            Function<String, ScoringRequest> requests,
            Function<List<ScoringRequest>, List<Score>> scoring,
            ScoreDocument documents,
            LinesOptions files,
            CommandLine command) {
        super(files, ScoreDocument.FIELDS, NLL, command);
        this.requests = requests;
        this.scoring = scoring;
        this.documents = documents;
    }

    @Override
    ScoringRequest request(String text) {
        return requests.apply(text);
    }

    @Override
    int tokens(ScoringRequest request) {
        return request.prefix().length + request.tokens().length;
    }

    @Override
    List<Score> compute(List<ScoringRequest> some) {
        return scoring.apply(some);
    }

    @Override
    void add(Score score, Document line) {
        documents.add(score, line);
        addBits(score.bits());
        totals = totals.plus(score.totals());
    }

    @Override
    void keep(Document result) {
        long tokens = (long) result.number("scored_tokens", 0);
        addBits(String.valueOf(result.fields().get("bits")));
        totals = totals.plus(new Totals(result.number(NLL, 0), tokens, (long) result.number("scored_bytes", 0)));
    }

    /** Adds a text's digest to that of all; a version that knew none may have written the result of a resumed run. */
    private void addBits(String digest) {
        hasBits &= digest.matches(Sha256.NAME + "[0-9a-f]{64}");
        if (hasBits) {
            bits.update(HexFormat.of().parseHex(digest, Sha256.NAME.length(), digest.length()));
        }
    }

    @Override
    Document sums(Document document) {
        String digest = hasBits ? Sha256.NAME + HexFormat.of().formatHex(bits.digest()) : null;
        return ScoreDocument.add(totals, document).put("bits", digest);
    }

    @Override
    String sums() {
        return "; " + ScoreTable.totals(totals);
    }
}
