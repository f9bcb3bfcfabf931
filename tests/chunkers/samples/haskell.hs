{-# LANGUAGE GADTs #-}
{-# LANGUAGE LambdaCase #-}
-- |
-- Module : Shop.Orders
--
-- This comment belongs to the module.
module Shop.Orders
  ( Order (..)
  , total
  ) where

import Data.List (foldl')
import qualified Data.Map as Map

-- | An order of one customer.
--
-- Not validated.
data Order = Order
  { number :: Int -- ^ unique in a shop
  , orderLines :: [Line]
  }
  deriving (Eq, Show)

-- | A line of an order.
newtype Line = Line {unLine :: String}

-- | State of an order.
data State
  = Open
  | Shipped
  deriving stock (Eq)

data Expr a where
  Lit :: Int -> Expr Int
  IsZero :: Expr Int -> Expr Bool

type Handler m = Order -> m ()

-- | Things that have a price.
class Priced a where
  {-# MINIMAL price #-}

  -- | Price in cents.
  price :: a -> Int

  -- | Whether it costs nothing.
  isFree :: a -> Bool
  isFree x = price x == 0

instance Priced Order where
  -- Sum of the lines.
  price = total

  isFree (Order _ []) = True
  isFree _ = False

deriving instance Ord State

type family Elem c :: *

type instance Elem [e] = e

-- | Total of an order.
-- Counts every line once.
total :: Order -> Int
total order = foldl' step 0 (orderLines order)
  where
    step :: Int -> Line -> Int
    step acc (Line text) = acc + length text

-- | Evaluates an expression.
eval :: Expr a -> a
eval (Lit n) = n
-- A comment between two equations.
eval (IsZero e) =
  eval e == 0

{- | Length of a list,
   by recursion.
-}
size :: [a] -> Int
size [] = 0
size (_ : xs) = 1 + size xs
{-# INLINE size #-}

infixr 5 +++

(+++) :: [a] -> [a] -> [a]
[] +++ ys = ys
(x : xs) +++ ys = x : xs +++ ys

-- | Two names with one signature.
first, second :: (a, a) -> a
first (a, _) = a
second (_, b) = b

-- | A signature over several lines.
lookupOrder
  :: Int
  -> Map.Map Int Order
  -> Maybe Order
lookupOrder = Map.lookup

noSignature x = \case
  Open -> x
  Shipped -> 0

limit :: Int
limit = 100

(low, high) = (0, 100)

pattern Pair :: a -> b -> (a, b)
pattern Pair a b = (a, b)

foreign import ccall "math.h sin" c_sin :: Double -> Double

main :: IO ()
main = do
  let go 0 = pure ()
      go n = go (n - 1)
  go limit
  print (total (Order 1 []))
