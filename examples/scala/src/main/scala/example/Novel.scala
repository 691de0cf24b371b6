package example

import dev.causal4j.austen.AustenModel
import dev.causal4j.generation.{GenerationOptions, Generator}
import dev.causal4j.scoring.Scorer
import scala.util.Using

/** Prints a text as it is written, and the perplexity of another. */
object Novel {
  def main(arguments: Array[String]): Unit =
    Using.resource(AustenModel.load()) { model =>
      val options = GenerationOptions.builder.maxNewTokens(40).temperature(0.8).topP(0.9).seed(1).build
      Using.resource(new Generator(model).stream("It is a truth universally acknowledged, that a", options)) { tokens =>
        tokens.forEach(token => print(token.text))
      }
      println()
      println(new Scorer(model).score("Emma was very kind.").perplexity)
    }
}
