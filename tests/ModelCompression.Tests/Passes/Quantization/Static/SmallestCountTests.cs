using ModelCompression.Passes.Quantization.Static;

namespace ModelCompression.Tests.Passes.Quantization.Static;

[TestClass]
public sealed class SmallestCountTests
{
    [TestMethod]
    public void Find_AnyGuess_GivesTheAnswer_AndAsksOnceAboutANumber()
    {
        for (int high = 1; high <= 12; high++)
        {
            for (int answer = 1; answer <= high; answer++)
            {
                for (int guess = -1; guess <= high + 1; guess++)
                {
                    var asked = new List<int>();
                    int found = SmallestCount.Find(1, high, guess, n =>
                    {
                        asked.Add(n);
                        return n >= answer;
                    });

                    Assert.AreEqual(answer, found, $"of {high}, guess {guess}");
                    CollectionAssert.AllItemsAreUnique(asked);
                    Assert.IsFalse(asked.Exists(n => n < 1 || n >= high), "the largest is taken to suffice");
                }
            }
        }
    }

    [TestMethod]
    [DataRow(500, 2)]
    [DataRow(501, 2)]
    [DataRow(1000, 1)]
    public void Find_GoodGuess_AsksFewTimes(int answer, int most)
    {
        int asked = 0;
        int found = SmallestCount.Find(1, 1000, answer - 1, n =>
        {
            asked++;
            return n >= answer;
        });

        Assert.AreEqual(answer, found);
        Assert.IsLessThanOrEqualTo(most + 1, asked);
    }
}
